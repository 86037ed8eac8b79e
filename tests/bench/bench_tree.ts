/**
 * The tree the image benches work on: the modules of Debian's kernel, as installed.
 *
 * FASTBOOP_BENCH_TREE names another one. The default lies in the lab's cache and is fetched there when it
 * is missing.
 */
import { debianRelease, ensureDebianModules } from "../lab/debian_modules.ts";

/** Path of the directory `modules/<release>`. */
export async function benchTree(): Promise<string> {
  const named = Deno.env.get("FASTBOOP_BENCH_TREE");
  if (named !== undefined) return named;
  const root = await ensureDebianModules();
  return `${root}/lib/modules/${debianRelease(root)}`;
}
