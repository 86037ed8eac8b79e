/** `fastboop` as a user runs it: main.ts, or a program made of it, in a process of its own. */
import { Transcript } from "./transcript.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

export interface FastboopProcessOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Instead of all of them. */
  permissions?: readonly string[] | undefined;
  /** A program to run instead of main.ts; it has permissions of its own, and this environment alone. */
  program?: string | undefined;
}

export class FastboopProcess implements AsyncDisposable {
  /** Standard output and error, as they came. */
  readonly output = new Transcript();
  /** Exit code; 128 + n after signal n. */
  readonly ended: Promise<number>;
  readonly #child: Deno.ChildProcess;

  constructor(args: readonly string[], options: FastboopProcessOptions = {}) {
    const { program, permissions = ["--allow-all"] } = options;
    const config = `--config=${ROOT}deno.json`;
    const source = ["run", "--quiet", "--no-prompt", ...permissions, config, `${ROOT}main.ts`];
    this.#child = new Deno.Command(program ?? Deno.execPath(), {
      args: program === undefined ? [...source, ...args] : [...args],
      clearEnv: program !== undefined,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    }).spawn();
    this.ended = this.#watch();
  }

  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch { /* it has ended */ }
  }

  /**
   * Waits for the exit code.
   *
   * @throws {Error} with the last lines at the deadline.
   */
  async waitForEnd(timeoutMs: number): Promise<number> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const said = this.output.lastLines(20);
        reject(new Error(`fastboop still runs after ${timeoutMs} ms\n${said}`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([this.ended, deadline]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills it when it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  async #watch(): Promise<number> {
    const read = async (stream: ReadableStream<Uint8Array>) => {
      for await (const chunk of stream) this.output.append(chunk);
    };
    await Promise.all([read(this.#child.stdout), read(this.#child.stderr)]);
    const { code } = await this.#child.status;
    this.output.end(`fastboop ended with ${code}`);
    return code;
  }
}
