/**
 * Debian's arm64 kernel package (linux-image-6.12.*-arm64), unpacked into the lab's cache as `debian-arm64`
 * with its indexes made by depmod; undefined before the lab's set-up has fetched it.
 */
const CACHE = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? ""}/.cache`;

export interface DebianArm64 {
  readonly root: string;
  readonly release: string;
  /** Folder of the vendors' device trees. */
  readonly dtbs: string;
  /** The uncompressed Image. */
  readonly image: string;
}

export function debianArm64(): DebianArm64 | undefined {
  const root = `${CACHE}/fastboop/lab/debian-arm64`;
  try {
    const [entry] = [...Deno.readDirSync(`${root}/lib/modules`)];
    const release = entry!.name;
    Deno.statSync(`${root}/lib/modules/${release}/modules.alias`);
    const dtbs = `${root}/usr/lib/linux-image-${release}`;
    Deno.statSync(`${dtbs}/qcom`);
    return { root, release, dtbs, image: `${root}/boot/vmlinuz-${release}` };
  } catch {
    return undefined;
  }
}
