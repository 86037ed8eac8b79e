/**
 * An artifact pipeline as a value: the outermost stage is the last transformation, the leaf the origin.
 *
 * The first eight kinds are upstream's (pipeline.md 1.1); `gzip`, `zstd`, `zip` and `iso9660` are ours.
 */

/** The declared content of a stage. */
export interface Content {
  /** `sha512:` and 128 lower-case hexadecimal digits. */
  readonly digest: string;
  readonly sizeBytes: number;
}

interface Declared {
  readonly content?: Content;
}

interface Wrapper extends Declared {
  readonly source: Pipeline;
}

/** A stage that reads from outside. */
export type Leaf =
  | Declared & { readonly kind: "http"; readonly url: string; readonly corsSafelistedMode: boolean }
  | Declared & { readonly kind: "file"; readonly path: string }
  | Declared & { readonly kind: "casync"; readonly index: string; readonly chunkStore?: string };

/** Exactly one of `partuuid` and `index` is set. */
export interface MbrSelector {
  readonly partuuid?: string;
  /** Slot of the table from 0; logical partitions go on at 4. */
  readonly index?: number;
  readonly lbaSizeBytes?: number;
}

/** Exactly one of `partlabel`, `partuuid` and `index` is set. */
export interface GptSelector {
  readonly partlabel?: string;
  readonly partuuid?: string;
  /** Slot of the table from 0. */
  readonly index?: number;
  readonly lbaSizeBytes?: number;
}

export type Pipeline =
  | Leaf
  | Wrapper & { readonly kind: "xz" | "gzip" | "zstd" | "android_sparseimg" }
  | Wrapper & { readonly kind: "tar" | "zip" | "iso9660"; readonly entry: string }
  | Wrapper & { readonly kind: "mbr"; readonly selector: MbrSelector }
  | Wrapper & { readonly kind: "gpt"; readonly selector: GptSelector };

export type PipelineKind = Pipeline["kind"];
