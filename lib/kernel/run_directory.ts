/**
 * The one temporary directory of a run: private, removed at its end, kept and named when it failed.
 *
 * Its name carries the process id, so that the next run can remove what a killed one left behind.
 */
import { FastboopError } from "../errors/errors.ts";

const NAME = /^fastboop-run-(\d+)-/;
const KEPT_MARK = "KEPT";
/** A kept directory is for looking into, not for ever. */
const KEPT_MS = 7 * 24 * 3600 * 1000;

export class RunDirectory implements AsyncDisposable {
  #kept = false;

  private constructor(readonly path: string) {}

  /**
   * Makes the directory (mode 0700) below `parentDir` or the system's temporary directory, after
   * sweeping what dead runs of the same user left there.
   *
   * @throws {FastboopError} `permission` when it cannot be made.
   */
  static async create(options: { parentDir?: string } = {}): Promise<RunDirectory> {
    const prefix = `fastboop-run-${Deno.pid}-`;
    try {
      const path = await Deno.makeTempDir({
        prefix,
        ...(options.parentDir === undefined ? {} : { dir: options.parentDir }),
      });
      await sweep(path.slice(0, path.lastIndexOf("/")));
      return new RunDirectory(path);
    } catch (cause) {
      throw new FastboopError({
        kind: "permission",
        action: "Make a temporary directory",
        state: cause instanceof Error ? cause.message : String(cause),
        hint: "Set TMPDIR to a directory that can be written",
        cause,
      });
    }
  }

  /** Leaves the directory in place, for a look after a failure. */
  async keep(): Promise<void> {
    this.#kept = true;
    await Deno.writeTextFile(`${this.path}/${KEPT_MARK}`, "", { mode: 0o600 });
  }

  get isKept(): boolean {
    return this.#kept;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#kept) await removeTree(this.path);
  }
}

async function removeTree(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes directories of dead processes; whatever cannot be judged stays. */
async function sweep(parentDir: string): Promise<void> {
  // Only Linux tells by a path whether a process lives.
  if (Deno.build.os !== "linux") return;
  for await (const entry of Deno.readDir(parentDir)) {
    const pid = NAME.exec(entry.name)?.[1];
    if (pid === undefined || !entry.isDirectory || Number(pid) === Deno.pid) continue;
    const path = `${parentDir}/${entry.name}`;
    try {
      const info = await Deno.lstat(path);
      if (info.uid !== Deno.uid() || await exists(`/proc/${pid}`)) continue;
      const kept = await exists(`${path}/${KEPT_MARK}`);
      const ageMs = Date.now() - (info.mtime?.getTime() ?? Date.now());
      if (!kept || ageMs > KEPT_MS) await removeTree(path);
    } catch {
      // Another run removed it first, or it is not ours to touch.
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
