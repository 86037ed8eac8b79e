/**
 * A Reader that is checked as a whole when it is read from front to back.
 *
 * A SHA-512 follows the end of what was read in one piece from the start; reads that come a little early are
 * held until their turn. When the last byte is reached and the digest is wrong, that read and all later ones
 * fail. Of a source that is read at random, or not to its end, nothing is claimed.
 */
import { createHash } from "node:crypto";
import { alignUp } from "../bytes/align.ts";
import { FastboopError } from "../errors/errors.ts";
import { checkBounds } from "../sources/bounds.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";
import type { Content } from "./pipeline/pipeline.ts";

/** `unclaimed`: it was read in another order, nothing is known. */
type DigestVerdict = "open" | "right" | "wrong" | "unclaimed";

/** Bytes held of reads that came before their turn. */
const MOST_HELD_BYTES = 16 << 20;
const MOST_HELD_READS = 1024;

/**
 * A Reader over `reader` that owns it; when it throws, `reader` stays the caller's.
 *
 * `blockBytes`: the content may also be that of whole blocks, the last one filled up with zeros.
 *
 * @throws {FastboopError} `source` when the size is another one, `corrupt` when the digest is none.
 */
export function checkedWhole(reader: Reader, content: Content, blockBytes = 1): DigestReader {
  const action = `Check ${reader.identity} by its digest`;
  if (!/^sha512:[0-9a-f]{128}$/.test(content.digest)) {
    const state = "the digest is not sha512: and 128 hexadecimal digits";
    throw new FastboopError({ kind: "corrupt", action, state });
  }
  const { sizeBytes } = reader;
  if (![sizeBytes, alignUp(sizeBytes, blockBytes)].includes(content.sizeBytes)) {
    throw new FastboopError({
      kind: "source",
      action,
      state: `it has ${sizeBytes} bytes, ${content.sizeBytes} are declared`,
      hint: "The image was replaced: get a profile that belongs to it",
    });
  }
  return new DigestReader(reader, content);
}

class DigestReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #reader: Reader;
  readonly #expected: string;
  /** Zeros behind the end that the digest covers. */
  readonly #paddingBytes: number;
  readonly #hash = createHash("sha512");
  /** Everything before this is hashed. */
  #frontierBytes = 0;
  /** By offset, all beyond the frontier. */
  readonly #held = new Map<number, Uint8Array>();
  #heldBytes = 0;
  #verdict: DigestVerdict = "open";
  #wrong: FastboopError | undefined;

  constructor(reader: Reader, content: Content) {
    this.#reader = reader;
    this.#expected = content.digest.slice("sha512:".length);
    this.sizeBytes = reader.sizeBytes;
    this.#paddingBytes = content.sizeBytes - reader.sizeBytes;
    this.identity = reader.identity;
    if (this.sizeBytes === 0) this.#conclude();
  }

  get verdict(): DigestVerdict {
    return this.#verdict;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    if (this.#wrong) throw this.#wrong;
    await this.#reader.readAt(offsetBytes, into, options);
    if (this.#verdict === "open") this.#take(offsetBytes, into);
    if (this.#wrong) throw this.#wrong;
  }

  #take(offsetBytes: number, bytes: Uint8Array): void {
    if (offsetBytes > this.#frontierBytes) return this.#hold(offsetBytes, bytes);
    this.#advance(offsetBytes, bytes);
    for (let isMoving = true; isMoving && this.#held.size > 0;) {
      isMoving = false;
      for (const [at, early] of this.#held) {
        if (at > this.#frontierBytes) continue;
        this.#held.delete(at);
        this.#heldBytes -= early.length;
        this.#advance(at, early);
        isMoving = true;
      }
    }
    if (this.#frontierBytes === this.sizeBytes) this.#conclude();
  }

  /** Hashes what of these bytes lies beyond the frontier. */
  #advance(offsetBytes: number, bytes: Uint8Array): void {
    const fresh = bytes.subarray(this.#frontierBytes - offsetBytes);
    this.#hash.update(fresh);
    this.#frontierBytes += fresh.length;
  }

  #hold(offsetBytes: number, bytes: Uint8Array): void {
    const known = this.#held.get(offsetBytes);
    if (known !== undefined && known.length >= bytes.length) return;
    this.#heldBytes += bytes.length - (known?.length ?? 0);
    if (this.#heldBytes > MOST_HELD_BYTES || this.#held.size >= MOST_HELD_READS) {
      this.#verdict = "unclaimed";
      this.#held.clear();
      return;
    }
    this.#held.set(offsetBytes, bytes.slice());
  }

  #conclude(): void {
    const found = this.#hash.update(new Uint8Array(this.#paddingBytes)).digest("hex");
    this.#verdict = found === this.#expected ? "right" : "wrong";
    if (this.#verdict === "right") return;
    this.#wrong = new FastboopError({
      kind: "source",
      action: `Check ${this.identity}`,
      state: `its SHA-512 begins with ${found.slice(0, 16)}, must begin with ${
        this.#expected.slice(0, 16)
      }`,
      hint: "The image is not the one that was declared: get it again",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held.clear();
    await this.#reader[Symbol.asyncDispose]();
  }
}
