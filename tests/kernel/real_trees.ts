/** The lab's built kernel trees, where they have been made (`deno task test:lab` makes them). */
import type { Arch } from "../../lib/kernel/arch.ts";

const CACHE = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? ""}/.cache`;

/** Output directory of a built tree, or undefined. */
export function realTree(arch: Arch): string | undefined {
  const path = `${CACHE}/fastboop/lab/kernel-${arch}`;
  const image = arch === "x86_64" ? "arch/x86/boot/bzImage" : "arch/arm64/boot/Image.gz";
  try {
    Deno.statSync(`${path}/${image}`);
    Deno.statSync(`${path}/modules.order`);
    return path;
  } catch {
    return undefined;
  }
}

/** Whether a program can be started. */
export function hasProgram(name: string): boolean {
  for (const dir of [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"]) {
    try {
      if (Deno.statSync(`${dir}/${name}`).isFile) return true;
    } catch {
      // Not in this one.
    }
  }
  return false;
}

/** The release's directory of the lab's Debian modules, or undefined. */
export function debianModules(): string | undefined {
  const path = `${CACHE}/fastboop/lab/debian-amd64/lib/modules`;
  try {
    const release = [...Deno.readDirSync(path)].find(({ isDirectory }) => isDirectory)?.name;
    if (release === undefined) return undefined;
    Deno.statSync(`${path}/${release}/modules.dep.bin`);
    return `${path}/${release}`;
  } catch {
    return undefined;
  }
}
