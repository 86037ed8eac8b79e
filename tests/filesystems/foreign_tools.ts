/** Foreign programs as judges of what we write. */

/** Whether `program` is there; tests that need it are ignored without. */
export function hasTool(program: string): boolean {
  const path = (Deno.env.get("PATH") ?? "") + ":/usr/sbin:/sbin";
  return path.split(":").some((folder) => {
    try {
      return folder !== "" && Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

export interface ToolResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: string[],
  options: { cwd?: string; stdin?: Uint8Array; env?: Record<string, string> } = {},
): Promise<ToolResult> {
  const path = (Deno.env.get("PATH") ?? "") + ":/usr/sbin:/sbin";
  const child = new Deno.Command(program, {
    args,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...options.env, PATH: path, LC_ALL: "C" },
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    // A program that gives up early closes its end; its exit code tells.
    await writer.write(options.stdin).then(() => writer.close()).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs `body` with a fresh directory that is gone afterwards. */
export async function withTempDir<T>(body: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempDir({ prefix: "fastboop-test-" });
  try {
    return await body(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
