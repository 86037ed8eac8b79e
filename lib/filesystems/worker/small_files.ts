import { MemoryReader } from "../../sources/memory.ts";
import type { Reader } from "../../sources/reader.ts";
import {
  type MainCalls,
  SMALL_FILE_BYTES,
  SMALL_FILES,
  type SmallFile,
  type WorkerCalls,
} from "./calls.ts";
import { malformed } from "./malformed.ts";
import type { Parcel, Peer } from "./peer.ts";

const ACTION = "Read files of the image";

interface Asked {
  readonly path: string;
  readonly resolve: (file: Reader | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Small files of one tree. One asked for alone goes at once; while calls are under way, others gather. */
export class SmallFiles {
  readonly #peer: Peer<WorkerCalls, MainCalls>;
  readonly #treeId: number;
  readonly #asked: Asked[] = [];
  #callCount = 0;

  constructor(peer: Peer<WorkerCalls, MainCalls>, treeId: number) {
    this.#peer = peer;
    this.#treeId = treeId;
  }

  /** Undefined where the file must be opened by itself: it is larger, or one asked for with it fails. */
  open(path: string): Promise<Reader | undefined> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ path, resolve, reject });
      if (this.#asked.length === SMALL_FILES) void this.#ask();
      // By then whoever opens several has asked for them all.
      else if (this.#asked.length === 1) queueMicrotask(() => this.#askWhenIdle());
    });
  }

  #askWhenIdle(): void {
    if (this.#callCount === 0 && this.#asked.length > 0) void this.#ask();
  }

  async #ask(): Promise<void> {
    const asked = this.#asked.splice(0);
    this.#callCount++;
    try {
      const paths = asked.map(({ path }) => path);
      const answer = await this.#peer.call("readSmall", { id: this.#treeId, paths });
      const files = unpack(answer, asked.length);
      asked.forEach(({ resolve }, i) => resolve(files[i]));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
    this.#callCount--;
    this.#askWhenIdle();
  }
}

/** Each file of the answer on its part of the bytes. */
function unpack(
  { value, bytes = new Uint8Array() }: Parcel<readonly (SmallFile | undefined)[]>,
  fileCount: number,
): (Reader | undefined)[] {
  const isShort = Array.isArray(value) && value.length <= fileCount;
  if (!isShort || !(bytes instanceof Uint8Array)) throw malformed(ACTION);
  let end = 0;
  const files = value.map((file) => {
    if (file === undefined) return undefined;
    if (!isSmallFile(file)) throw malformed(ACTION);
    return new MemoryReader(bytes.subarray(end, end += file.sizeBytes), file.identity);
  });
  if (end !== bytes.length) throw malformed(ACTION);
  return files;
}

function isSmallFile(file: SmallFile | null): boolean {
  return typeof file?.identity === "string" && Number.isSafeInteger(file.sizeBytes) &&
    file.sizeBytes >= 0 && file.sizeBytes <= SMALL_FILE_BYTES;
}
