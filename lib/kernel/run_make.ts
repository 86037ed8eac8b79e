/**
 * Runs make on the user's tree: a fixed target, no shell, a short environment, its own process group, a
 * deadline. Whatever it started ends with it.
 *
 * Platform note (2026-11): `detached` makes the child a session leader (setsid), and a negative pid
 * reaches its whole group; Deno has no other way to end make's grandchildren.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { printable } from "../bytes/printable.ts";

export interface RunMakeOptions {
  /** For errors: `Install the modules`. */
  action: string;
  /** Only PATH, HOME and TMPDIR of it are passed on. */
  env: Readonly<Record<string, string | undefined>>;
  deadlineMs: number;
  signal?: AbortSignal;
}

/** Output kept for the error and the result. */
const TAIL_BYTES = 64 << 10;
/** Output after which the run is given up. */
const FLOOD_BYTES = 64 << 20;
const SHOWN_LINES = 20;
/** Time between SIGTERM and SIGKILL, and for pipes to close after make has ended. */
const GRACE_MS = 2000;

/**
 * Runs `make` and resolves to the last 64 KiB of its standard output.
 *
 * @throws {FastboopError} `tree` when it is missing, fails, floods or is late, with its last lines;
 * `permission` when it may not be run; `cancelled`.
 */
export async function runMake(args: readonly string[], options: RunMakeOptions): Promise<string> {
  const { action, signal } = options;
  if (signal?.aborted) throw cancelled(action, signal);
  const hint = `Run it yourself to see all of it:\n${["make", ...args].join(" ")}`;
  const child = spawn(args, options);
  const stop = Promise.withResolvers<FastboopError>();
  const giveUp = (state: string) =>
    stop.resolve(new FastboopError({ kind: "tree", action, state, hint }));
  const seconds = options.deadlineMs / 1000;
  const timer = setTimeout(
    () => giveUp(`make was not done after ${seconds} s`),
    options.deadlineMs,
  );
  const onAbort = () => stop.resolve(cancelled(action, signal));
  signal?.addEventListener("abort", onAbort, { once: true });
  const tails = { all: new Tail(), out: new Tail() };
  const flooded = () => giveUp(`make printed more than ${FLOOD_BYTES >> 20} MiB`);
  const streams = [
    drain(child.stdout, [tails.out, tails.all], flooded),
    drain(child.stderr, [tails.all], flooded),
  ];
  try {
    const outcome = await Promise.race([child.status, stop.promise]);
    if (outcome instanceof FastboopError) {
      await endGroup(child);
      await closeStreams(streams);
      throw withTail(outcome, tails.all);
    }
    // A grandchild that outlives make may hold the pipes for ever.
    if (!await within(streams.map((s) => s.done), GRACE_MS)) signalGroup(child, "SIGKILL");
    await closeStreams(streams);
    if (outcome.success) return tails.out.text();
    const state = outcome.signal === null
      ? `make exited with ${outcome.code}`
      : `make was ended by ${outcome.signal}`;
    throw withTail(new FastboopError({ kind: "tree", action, state, hint }), tails.all);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function spawn(args: readonly string[], options: RunMakeOptions): Deno.ChildProcess {
  const env: Record<string, string> = { LC_ALL: "C" };
  for (const name of ["PATH", "HOME", "TMPDIR"]) {
    const value = options.env[name];
    if (value !== undefined) env[name] = value;
  }
  try {
    return new Deno.Command("make", {
      args: [...args],
      env,
      clearEnv: true,
      detached: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    const missing = cause instanceof Deno.errors.NotFound;
    throw new FastboopError({
      kind: missing ? "tree" : "permission",
      action: options.action,
      state: missing ? "there is no make in PATH" : "make may not be run",
      hint: missing ? "Install make: apt install make" : "Allow it: --allow-run=make",
      cause,
    });
  }
}

/** The last bytes of an endless text. */
class Tail {
  #parts: Uint8Array[] = [];
  #sizeBytes = 0;

  add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#sizeBytes += part.length;
    while (this.#sizeBytes - this.#parts[0]!.length >= TAIL_BYTES) {
      this.#sizeBytes -= this.#parts.shift()!.length;
    }
  }

  text(): string {
    const decoder = new TextDecoder();
    const text = this.#parts.map((part) => decoder.decode(part, { stream: true })).join("");
    return text.slice(-TAIL_BYTES);
  }
}

interface Drained {
  done: Promise<void>;
  cancel(): Promise<void>;
}

function drain(
  stream: ReadableStream<Uint8Array>,
  tails: readonly Tail[],
  flooded: () => void,
): Drained {
  const reader = stream.getReader();
  const run = async () => {
    let sizeBytes = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      sizeBytes += value.length;
      for (const tail of tails) tail.add(value);
      if (sizeBytes > FLOOD_BYTES) flooded();
    }
  };
  return { done: run().catch(() => {}), cancel: () => reader.cancel().catch(() => {}) };
}

async function closeStreams(streams: readonly Drained[]): Promise<void> {
  if (!await within(streams.map((s) => s.done), GRACE_MS)) {
    for (const stream of streams) await stream.cancel();
  }
}

async function within(promises: readonly Promise<unknown>[], timeoutMs: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), timeoutMs);
  const all = Promise.all(promises).then(() => true);
  return await Promise.race([all, late.promise]).finally(() => clearTimeout(timer));
}

/** SIGTERM to the group, and SIGKILL to what is left of it. */
async function endGroup(child: Deno.ChildProcess): Promise<void> {
  signalGroup(child, "SIGTERM");
  await within([child.status], GRACE_MS);
  signalGroup(child, "SIGKILL");
  await child.status;
}

/**
 * Deno allows a group to be signalled only with an unlimited `--allow-run`. With `--allow-run=make` the
 * signal goes to make alone, which ends its children on SIGTERM.
 */
function signalGroup(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    Deno.kill(-child.pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) return; // nothing is left in the group
    try {
      child.kill(name);
    } catch {
      // It has ended.
    }
  }
}

function withTail(error: FastboopError, tail: Tail): FastboopError {
  const lines = tail.text().trimEnd().split("\n").filter((line) => line !== "").slice(-SHOWN_LINES);
  if (lines.length === 0) return error;
  return new FastboopError({
    kind: error.kind,
    action: error.action,
    state: [error.state, ...lines.map((line) => `  ${printable(line).slice(0, 300)}`)].join("\n"),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error.cause,
  });
}
