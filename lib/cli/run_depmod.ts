/** `modules depmod`: a release's directory -> its index files, all of them or none. */
import { FastboopError } from "../errors/errors.ts";
import type { XzPool } from "../images/xz/xz_pool.ts";
import type { XzDecoder } from "../kernel/inflate_module.ts";
import { runDepmod } from "../kernel/depmod/run_depmod.ts";
import { DirectoryTree } from "../sources/directory.ts";
import { openOutputFile, type Output } from "../sources/output_file.ts";
import type { CommandContext, Options } from "./command.ts";

export async function runModulesDepmod(
  [dir]: string[],
  options: Options,
  { signal, progress }: CommandContext,
): Promise<number> {
  const target = typeof options["output"] === "string" ? options["output"] : dir!;
  await using tree = new DirectoryTree(dir!, { blockingReads: true });
  await using xz = new LazyXz();
  const files = await runDepmod(tree, "", {
    xz: xz.decode,
    signal,
    onProgress: (done, total) => {
      if (done % 64 === 0) progress.moving(`${done} of ${total} modules`);
    },
  });
  await writeAll(target, files);
  progress.note(`${files.size} index files in ${target}`);
  return 0;
}

/** Loaded by the first `.xz`. Where Deno may not load the workers' file, this thread decodes. */
class LazyXz implements AsyncDisposable {
  #pool: XzPool | undefined;
  #decoder: Promise<XzDecoder> | undefined;

  readonly decode: XzDecoder = async (stored, limitBytes) =>
    await (await (this.#decoder ??= this.#load()))(stored, limitBytes);

  async #load(): Promise<XzDecoder> {
    const { XZ_WORKER, XzPool } = await import("../images/xz/xz_pool.ts");
    if (Deno.permissions.querySync({ name: "read", path: XZ_WORKER }).state === "granted") {
      this.#pool = new XzPool();
      return this.#pool.decode;
    }
    const { decodeXz } = await import("../images/xz/decode_xz.ts");
    return (stored, limitBytes) => Promise.resolve(decodeXz(stored, limitBytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.[Symbol.asyncDispose]();
  }
}

/** Writes all under temporary names, and renames when every one of them is complete. */
async function writeAll(target: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  makeDirectory(target);
  await using stack = new AsyncDisposableStack();
  const outputs: Output[] = [];
  for (const [name, bytes] of files) {
    const output = stack.use(openOutputFile(`${target}/${name}`));
    await output.write(bytes);
    outputs.push(output);
  }
  for (const output of outputs) output.commit();
}

function makeDirectory(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (cause) {
    const isDenied = cause instanceof Deno.errors.PermissionDenied ||
      cause instanceof Deno.errors.NotCapable;
    throw new FastboopError({
      kind: isDenied ? "permission" : "source",
      action: `Make directory "${path}"`,
      state: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}
