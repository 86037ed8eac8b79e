/**
 * The tree the image benches work on: the modules of Debian's kernel, as installed.
 *
 * FASTBOOP_BENCH_TREE names another one. The default lies in the lab's cache; as root it is fetched there
 * when it is missing.
 */
const PACKAGE = "linux-image-6.12.117+deb12-amd64";

/** Path of the directory `modules/<release>`. */
export async function benchTree(): Promise<string> {
  const named = Deno.env.get("FASTBOOP_BENCH_TREE");
  if (named !== undefined) return named;
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const root = `${cache}/fastboop/lab/debian-amd64`;
  const found = installedModules(root);
  if (found !== undefined) return found;
  if (Deno.uid() !== 0) throw new Error(`"${root}" is missing: name a tree in FASTBOOP_BENCH_TREE`);
  await fetchPackage(root);
  return installedModules(root)!;
}

function installedModules(root: string): string | undefined {
  try {
    for (const { name } of Deno.readDirSync(`${root}/lib/modules`)) {
      const path = `${root}/lib/modules/${name}`;
      if (Deno.statSync(`${path}/modules.dep`).isFile) return path;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}

async function fetchPackage(root: string): Promise<void> {
  const work = `${root}.partial`;
  await Deno.mkdir(work, { recursive: true });
  await run("apt-get", ["download", PACKAGE], work);
  const [archive] = [...Deno.readDirSync(work)].filter(({ name }) => name.endsWith(".deb"));
  await run("dpkg-deb", ["-x", archive!.name, "tree"], work);
  const [release] = [...Deno.readDirSync(`${work}/tree/lib/modules`)];
  await run("/sbin/depmod", ["-b", "tree", release!.name], work);
  await Deno.rename(`${work}/tree`, root);
  await Deno.remove(work, { recursive: true });
}

async function run(program: string, args: string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, cwd, stdout: "null" })
    .output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}
