import type { Reader } from "../sources/reader.ts";
import { openAndroidSparse } from "./android_sparse/open_android_sparse.ts";
import type { ContainerOptions } from "./container.ts";
import { openGzip } from "./gzip/open_gzip.ts";
import type { AndroidSparseIndex, XzBlockTable } from "./pipeline/hints.ts";
import type { Format } from "./sniff.ts";
import { openXz } from "./xz/open_xz.ts";
import { openZstd } from "./zstd/open_zstd.ts";

/** Options of a container, with what an earlier look at it found. */
export interface HintedOptions extends ContainerOptions {
  /** Of an xz file. */
  table?: XzBlockTable;
  /** Of an Android sparse image. */
  index?: AndroidSparseIndex;
}

type Opener = (source: Reader, options: HintedOptions) => Promise<Reader>;

/** Containers that hold exactly one thing. */
const OPENERS: Partial<Record<Format, readonly [step: string, open: Opener]>> = {
  "android-sparse": ["android sparse", openAndroidSparse],
  gzip: ["gzip", openGzip],
  xz: ["xz", openXz],
  zstd: ["zstd", openZstd],
};

/**
 * What a container of that format holds, undefined for another format. The Reader owns `source`; when
 * opening fails it stays the caller's.
 */
export async function openContainer(
  format: Format,
  source: Reader,
  options: HintedOptions,
): Promise<{ reader: Reader; step: string } | undefined> {
  const known = OPENERS[format];
  if (known === undefined) return undefined;
  const [step, open] = known;
  return { reader: await open(source, options), step };
}
