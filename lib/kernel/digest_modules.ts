/** The digest of a tree's modules, with a cache of file digests that outlives the program. */
import { createHash } from "node:crypto";
import { DigestCache, MAX_CACHE_BYTES } from "./digest_cache.ts";
import { modulesDigest, type ModulesDigestOptions } from "./modules_digest.ts";
import { parseModulesOrder } from "./native_modules/modules_order.ts";
import { TreeFiles } from "./tree_files.ts";

export interface DigestModulesOptions {
  /** `FASTBOOP_CACHE_DIR`, `XDG_CACHE_HOME`, `HOME`; none of them: no cache. */
  env: Readonly<Record<string, string | undefined>>;
  /** Directories of modules that were built outside of the tree. */
  outsideDirs?: readonly string[];
  signal?: AbortSignal | undefined;
}

/**
 * modulesDigest() of the build in `outDir`, and of directories outside of it when there are some. A cache
 * that cannot be read or written costs time only.
 *
 * @throws {FastboopError} as modulesDigest().
 */
export async function digestModules(
  outDir: string,
  { env, outsideDirs = [], signal }: DigestModulesOptions,
): Promise<string | undefined> {
  const own = await digestDirectory(outDir, { env, signal });
  if (outsideDirs.length === 0) return own;
  const whole = createHash("sha256").update(`${own ?? "-"}\n`);
  for (const given of outsideDirs) {
    const dir = await new TreeFiles().realPath(given) ?? given;
    const stemsOf = (order: string) =>
      parseModulesOrder(order, `${dir}/modules.order`, [given, dir]).stems;
    whole.update(`${await digestDirectory(dir, { env, signal, stemsOf }) ?? "-"}\n`);
  }
  return whole.digest("hex");
}

async function digestDirectory(
  dir: string,
  { env, ...options }:
    & Pick<DigestModulesOptions, "env">
    & Pick<ModulesDigestOptions, "signal" | "stemsOf">,
): Promise<string | undefined> {
  const path = cachePath(dir, env);
  const cache = DigestCache.parse(path === undefined ? "" : await readCache(path));
  const digest = await modulesDigest(new TreeFiles(), dir, { ...options, cache, nowMs: Date.now });
  if (path !== undefined && cache.isChanged) await writeCache(path, cache.encode());
  return digest;
}

function cachePath(outDir: string, env: DigestModulesOptions["env"]): string | undefined {
  const folder = absolute(env["FASTBOOP_CACHE_DIR"]) ??
    below(absolute(env["XDG_CACHE_HOME"]), "fastboop") ??
    below(absolute(env["HOME"]), ".cache/fastboop");
  const name = createHash("sha256").update(outDir).digest("hex").slice(0, 32);
  return below(folder, `module-digests/${name}`);
}

function absolute(path: string | undefined): string | undefined {
  return path?.startsWith("/") ? path : undefined;
}

function below(folder: string | undefined, name: string): string | undefined {
  return folder === undefined ? undefined : `${folder}/${name}`;
}

async function readCache(path: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    return size > MAX_CACHE_BYTES ? "" : await Deno.readTextFile(path);
  } catch {
    return "";
  }
}

/** By rename: another run may read it at the same time. */
async function writeCache(path: string, text: string): Promise<void> {
  const temporary = `${path}.${Deno.pid}`;
  try {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(temporary, text, { mode: 0o600 });
    await Deno.rename(temporary, path);
  } catch {
    // Nothing is lost but the time to read the modules again.
    await Deno.remove(temporary).catch(() => {});
  }
}
