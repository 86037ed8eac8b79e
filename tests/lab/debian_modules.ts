/** Debian's kernel package with its 4,000 modules, unpacked and seen by depmod, on no account installed. */
import { unpackForeign } from "./debian_packages.ts";
import { labDirectory } from "./lab_directory.ts";
import { runCommand } from "./run_command.ts";

/** Of these the one that apt knows with the highest version. */
const PACKAGE = /^linux-image-6\.12\.\d+\+deb\d+-amd64$/;

/** Its root directory: `boot/`, `lib/modules/RELEASE` with depmod's indexes. Fetched once, in seconds. */
export async function ensureDebianModules(arch: "amd64" | "arm64" = "amd64"): Promise<string> {
  const root = `${labDirectory()}/debian-${arch}`;
  if (isThere(root)) return root;
  const work = `${root}.partial`;
  await Deno.remove(work, { recursive: true }).catch(() => {});
  await Deno.mkdir(work, { recursive: true });
  console.error(`lab: Debian's kernel package for ${arch}`);
  await unpackForeign(arch, [(await newestPackage()).replace(/amd64$/, arch)], `${work}/tree`);
  const [release] = [...Deno.readDirSync(`${work}/tree/lib/modules`)];
  await runCommand(["/sbin/depmod", "-b", "tree", release!.name], { cwd: work });
  await Deno.rename(`${work}/tree`, root);
  await Deno.remove(work, { recursive: true });
  return root;
}

async function newestPackage(): Promise<string> {
  const packages = (await runCommand(["apt-cache", "pkgnames", "linux-image-6.12."])).split("\n")
    .filter((name) => PACKAGE.test(name))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const newest = packages.at(-1);
  if (newest === undefined) throw new Error("apt knows no linux-image-6.12.*-amd64");
  return newest;
}

/** The one release below `lib/modules`. */
export function debianRelease(root: string): string {
  const [release] = [...Deno.readDirSync(`${root}/lib/modules`)];
  return release!.name;
}

function isThere(root: string): boolean {
  try {
    return Deno.statSync(`${root}/lib/modules/${debianRelease(root)}/modules.dep`).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
