/**
 * `fastboop` as a user runs it: main.ts in a process of its own, with stdout and stderr apart, a
 * temporary directory and a home of its own, and a look at what it leaves behind.
 */
import assert from "node:assert/strict";
import { concat } from "../../lib/bytes/concat.ts";
import { Transcript } from "../lab/transcript.ts";

const ROOT = import.meta.dirname!.replace(/\/tests\/support$/, "");

export interface FastboopOptions {
  cwd?: string | undefined;
  /** Besides PATH, HOME and TMPDIR; nothing else of this process's environment is passed on. */
  env?: Record<string, string>;
  /** Deno's flags; default `-A`. */
  permissions?: readonly string[];
}

export interface Ended {
  code: number;
  stdout: Uint8Array<ArrayBuffer>;
  /** Standard error. */
  talk: string;
}

/** One run. Dispose it: that kills it and fails when something was left behind. */
export class Fastboop implements AsyncDisposable {
  /** Standard error, as it comes. */
  readonly talk = new Transcript();
  readonly ended: Promise<Ended>;
  readonly #child: Deno.ChildProcess;
  readonly #home: string;
  #mayKeep = false;

  private constructor(args: readonly string[], home: string, options: FastboopOptions) {
    this.#home = home;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", `--config=${ROOT}/deno.json`],
        ...options.permissions ?? ["-A"],
        ...[`${ROOT}/main.ts`, ...args],
      ],
      clearEnv: true,
      env: {
        PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
        DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
        HOME: home,
        TMPDIR: `${home}/tmp`,
        ...options.env,
      },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.ended = this.#watch();
  }

  static async start(args: readonly string[], options: FastboopOptions = {}): Promise<Fastboop> {
    const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "fastboop-test-home-" }));
    await Deno.mkdir(`${home}/tmp`);
    return new Fastboop(args, home, options);
  }

  get tmp(): string {
    return `${this.#home}/tmp`;
  }

  /** The run directory may stay: making the modules failed. */
  mayKeep(): void {
    this.#mayKeep = true;
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /** Waits until standard error matches. */
  async said(pattern: RegExp, timeoutMs = 20_000): Promise<void> {
    await this.talk.waitFor(pattern, timeoutMs);
  }

  /** Signals, waits for the end and demands it within `withinMs`. */
  async stop(name: Deno.Signal, withinMs = 1500): Promise<Ended> {
    const startMs = performance.now();
    this.signal(name);
    const end = await this.ended;
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < withinMs, `it took ${Math.round(tookMs)} ms to stop\n${end.talk}`);
    return end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch { /* it has ended */ }
    const { code, talk } = await this.ended;
    const left: string[] = [];
    for await (const { name } of Deno.readDir(this.tmp)) left.push(name);
    const alive = await processesWith(`TMPDIR=${this.tmp}`);
    await Deno.remove(this.#home, { recursive: true });
    if (code === 137 || this.#mayKeep) return;
    assert.deepEqual(left, [], `left in TMPDIR\n${talk}`);
    assert.deepEqual(alive, [], `processes still run\n${talk}`);
  }

  async #watch(): Promise<Ended> {
    const pieces: Uint8Array[] = [];
    const readData = async () => {
      for await (const piece of this.#child.stdout) pieces.push(piece);
    };
    const readTalk = async () => {
      for await (const piece of this.#child.stderr) this.talk.append(piece);
    };
    await Promise.all([readData(), readTalk()]);
    const { code } = await this.#child.status;
    this.talk.end(`fastboop ended with ${code}`);
    return { code, stdout: concat(pieces), talk: this.talk.text };
  }
}

/** Runs to the end; nothing may be left behind. */
export async function fastboop(
  args: readonly string[],
  options: FastboopOptions = {},
): Promise<Ended> {
  await using run = await Fastboop.start(args, options);
  return await run.ended;
}

/**
 * A failure as a user should see it: this exit code, one `error:` line that says `says`, nothing on
 * stdout, no stack trace.
 */
export function assertFailed(end: Ended, code: number, says: RegExp): void {
  assert.equal(end.code, code, end.talk);
  assert.match(end.talk, says);
  assert.equal(end.talk.match(/^error: /gm)?.length ?? 0, 1, end.talk);
  assertCalm(end);
}

/** A stop by a signal: its exit code, nothing called an error, nothing on stdout. */
export function assertStopped(end: Ended, code: 130 | 143): void {
  assert.equal(end.code, code, end.talk);
  assert.doesNotMatch(end.talk, /^error: /m);
  assert.match(end.talk, /^stopped/m);
  assertCalm(end);
}

function assertCalm(end: Ended): void {
  assert.equal(end.stdout.length, 0, "stdout belongs to data");
  assert.doesNotMatch(end.talk, /^\s+at |\.ts:\d|Uncaught|file:\/\/\/|fault of fastboop/m);
}

/** Processes whose environment holds `word`. */
async function processesWith(word: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const text = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
    if (text.split("\0").includes(word)) found.push(name);
  }
  return found;
}
