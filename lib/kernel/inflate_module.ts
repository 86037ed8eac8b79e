/** A module file as stored -> the plain ELF bytes: stage0 loads nothing else. */
import { FastboopError } from "../errors/errors.ts";
import { zstdContentSize } from "./zstd_content_size.ts";

/** Unstripped GPU drivers come close to 100 MiB. */
export const MAX_MODULE_BYTES = 256 << 20;

/** Decompresses xz; the kernel room has no decoder of its own. */
export type XzDecoder = (stored: Uint8Array, limitBytes: number) => Promise<Uint8Array>;

/**
 * Undoes `.gz`, `.zst` and, where `xz` is given, `.xz`, by the end of the file's name.
 *
 * @throws {FastboopError} `corrupt` when the stream is broken or short, `limit` when the module is larger
 * than {@link MAX_MODULE_BYTES}, `unsupported` for xz without a decoder.
 */
export async function inflateModule(
  stored: Uint8Array,
  path: string,
  xz?: XzDecoder,
): Promise<Uint8Array> {
  const action = `Decompress module "${path}"`;
  try {
    if (path.endsWith(".gz")) {
      return (await loadZlib()).gunzipSync(stored, { maxOutputLength: MAX_MODULE_BYTES });
    }
    if (path.endsWith(".zst")) return inflateZstd(await loadZlib(), stored, action);
    if (path.endsWith(".xz") && xz) return await xz(stored, MAX_MODULE_BYTES);
  } catch (cause) {
    if (cause instanceof FastboopError) throw named(cause, action);
    const tooLarge = (cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
    throw new FastboopError({
      kind: tooLarge ? "limit" : "corrupt",
      action,
      state: tooLarge ? `it is larger than ${MAX_MODULE_BYTES} bytes` : "the stream is broken",
      hint: "Build and install the modules again",
      cause,
    });
  }
  if (!path.endsWith(".xz")) return stored;
  throw new FastboopError({
    kind: "unsupported",
    action,
    state: "it is compressed with xz",
    hint: "Set CONFIG_MODULE_COMPRESS_ZSTD=y or no compression, and build the modules again",
  });
}

/** The decoder does not know what it decodes. */
function named(error: FastboopError, action: string): FastboopError {
  if (error.action === action) return error;
  const { kind, state } = error;
  const hint = error.hint ?? "Build and install the modules again";
  return new FastboopError({ kind, action, state, hint, cause: error });
}

/** Loading it takes longer than starting Deno does, and plain modules need nothing of it. */
const loadZlib = () => import("node:zlib");

type Zlib = Awaited<ReturnType<typeof loadZlib>>;

function inflateZstd(zlib: Zlib, stored: Uint8Array, action: string): Uint8Array {
  const plain = zlib.zstdDecompressSync(stored, { maxOutputLength: MAX_MODULE_BYTES });
  const declared = zstdContentSize(stored);
  // The decoder answers a cut stream with what it had, and without an error.
  if (declared !== undefined && declared !== plain.length) {
    const state = `${plain.length} of ${declared} bytes came out`;
    throw new FastboopError({ kind: "corrupt", action, state });
  }
  return plain;
}
