/**
 * Scratch space in a file that has no name: the file is unlinked as soon as it is open, so that nothing is
 * left behind however the program ends. Sparse; reads and writes are positional and may overlap.
 */
import { close, constants, openSync, read, unlinkSync, write } from "node:fs";
import { printable } from "../bytes/printable.ts";
import { cancelled, FastboopError } from "../errors/errors.ts";
import type { ReadOptions } from "./reader.ts";
import type { Spill, SpillFactory } from "./spill.ts";

export interface SpillFileOptions {
  /** Highest offset that may be written. Default 64 GiB. */
  limitBytes?: number;
}

/**
 * Files in `directory`, one for each call of the result; the directory must be there.
 *
 * @throws {FastboopError} `permission` or `source` from each call, when the file cannot be made.
 */
export function spillFilesIn(directory: string, options: SpillFileOptions = {}): SpillFactory {
  const limitBytes = options.limitBytes ?? 64 * 2 ** 30;
  // deno-lint-ignore require-await
  return async () => new SpillFile(openUnnamed(directory), directory, limitBytes);
}

class SpillFile implements Spill {
  #isOpen = true;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(readonly fd: number, readonly directory: string, readonly limitBytes: number) {}

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    const action = `Write scratch data in "${printable(this.directory)}"`;
    if (offsetBytes + bytes.length > this.limitBytes) {
      const state = `there is more than ${this.limitBytes} bytes of it`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    for (let done = 0; done < bytes.length;) {
      done += await this.#track(action, () =>
        new Promise<number>((resolve, reject) => {
          const left = bytes.length - done;
          write(this.fd, bytes, done, left, offsetBytes + done, (error, count) =>
            error ? reject(error) : resolve(count));
        }));
    }
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const { signal } = options;
    const action = `Read scratch data in "${printable(this.directory)}"`;
    for (let done = 0; done < into.length;) {
      if (signal?.aborted) throw cancelled(action, signal);
      const count = await this.#track(action, () =>
        new Promise<number>((resolve, reject) => {
          const left = into.length - done;
          read(this.fd, into, done, left, offsetBytes + done, (error, count) =>
            error ? reject(error) : resolve(count!));
        }));
      if (count === 0) {
        throw new FastboopError({ kind: "source", action, state: "it was never written" });
      }
      done += count;
    }
  }

  /** Waits for one call of the operating system; the descriptor is not closed meanwhile. */
  async #track(action: string, begin: () => Promise<number>): Promise<number> {
    // The number of a closed descriptor may be another file's by now.
    if (!this.#isOpen) throw new FastboopError({ kind: "source", action, state: "it is closed" });
    const call = begin();
    this.#pending.add(call);
    try {
      return await call;
    } catch (cause) {
      throw translate(action, cause);
    } finally {
      this.#pending.delete(call);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await Promise.allSettled(this.#pending);
    await new Promise<void>((resolve) => close(this.fd, () => resolve()));
  }
}

function openUnnamed(directory: string): number {
  const path = `${directory}/.fastboop-${crypto.randomUUID()}`;
  const action = `Make a scratch file in "${printable(directory)}"`;
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    unlinkSync(path);
    return fd;
  } catch (cause) {
    throw translate(action, cause);
  }
}

function translate(action: string, cause: unknown): FastboopError {
  const code = (cause as { code?: string }).code;
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new FastboopError({
      kind: "limit",
      action,
      state: "the disk is full",
      hint: "Make room there, choose another cache directory, or decompress the image first",
      cause,
    });
  }
  const isDenied = code === "EACCES" || code === "EPERM" || code === "EROFS" ||
    (cause as Error).name === "NotCapable";
  const state = printable(cause instanceof Error ? cause.message : String(cause));
  return new FastboopError({ kind: isDenied ? "permission" : "source", action, state, cause });
}
