/**
 * SHA-256 of files by path, size and modification time, so that thousands of modules are read once and
 * not at every run. As text it is one line for each file: `digest size mtime path`.
 *
 * A file that was written in the last moments before it was read is not kept: another write of the same
 * size could follow within the same tick of the clock.
 */
import type { FileFacts } from "./tree_files.ts";

export const MAX_CACHE_BYTES = 32 << 20;
const HEAD = "fastboop digests 1\n";
/** Older than the coarsest clock of a file system we care for. */
const SETTLED_MS = 2000;

interface Known {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

export class DigestCache {
  readonly #known = new Map<string, Known>();
  readonly #used = new Set<string>();
  /** Whether there is something that the text it was read from does not hold. */
  isChanged = false;

  /** A cache from its text; a text that is none, or a line that is damaged, is passed over. */
  static parse(text: string): DigestCache {
    const cache = new DigestCache();
    if (!text.startsWith(HEAD)) return cache;
    for (const line of text.slice(HEAD.length).split("\n")) {
      const match = /^([0-9a-f]{64}) (\d{1,15}) (\d{1,15}(?:\.\d{1,9})?) (.+)$/.exec(line);
      if (!match) continue;
      const [, digest, size, mtime, path] = match;
      const known = { digest: digest!, sizeBytes: Number(size), mtimeMs: Number(mtime) };
      cache.#known.set(path!, known);
    }
    return cache;
  }

  /** Lines of the files that were asked for since it was parsed: what is gone is forgotten. */
  encode(): string {
    const lines = [...this.#used].sort().map((path) => {
      const { digest, sizeBytes, mtimeMs } = this.#known.get(path)!;
      return `${digest} ${sizeBytes} ${mtimeMs} ${path}\n`;
    });
    return HEAD + lines.join("");
  }

  /** The digest of a file with these facts, when it is known. */
  get(path: string, facts: FileFacts): string | undefined {
    const known = this.#known.get(path);
    if (known?.sizeBytes !== facts.sizeBytes || known.mtimeMs !== facts.mtimeMs) return undefined;
    this.#used.add(path);
    return known.digest;
  }

  /** @param readAtMs when the file was read, in milliseconds since 1970. */
  set(path: string, facts: FileFacts, digest: string, readAtMs: number): void {
    if (path.includes("\n") || readAtMs - facts.mtimeMs < SETTLED_MS) return;
    this.#known.set(path, { digest, sizeBytes: facts.sizeBytes, mtimeMs: facts.mtimeMs });
    this.#used.add(path);
    this.isChanged = true;
  }
}
