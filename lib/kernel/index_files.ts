/** The text indexes of a modules directory that depmod never saw. */
import { encodeModulesDep } from "./modules_dep.ts";
import type { ModuleIndex } from "./module_index.ts";

/**
 * modules.dep, modules.softdep and modules.alias of an index that was computed, by file name; none when
 * depmod has written them.
 *
 * kmod's binary indexes (`*.bin`) are not among them: modprobe on the phone needs a `depmod -a` first,
 * while busybox's reads these.
 */
export function indexFiles(index: ModuleIndex): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  if (index.origin === "depmod") return files;
  const encoder = new TextEncoder();
  const modules = [...index.modules.values()];
  const pathOf = (name: string): string => index.modules.get(name)!.path;
  const dep = encodeModulesDep(
    new Map(modules.map(({ path, dependencies }) => [path, dependencies.map(pathOf)])),
  );
  let softdep = "";
  for (const [name, { pre, post }] of index.softdeps) {
    const before = pre.length > 0 ? ` pre: ${pre.join(" ")}` : "";
    const after = post.length > 0 ? ` post: ${post.join(" ")}` : "";
    softdep += `softdep ${name}${before}${after}\n`;
  }
  const alias = index.aliases.map(({ pattern, module }) => `alias ${pattern} ${module}\n`).join("");
  files.set("modules.dep", encoder.encode(dep));
  files.set("modules.softdep", encoder.encode(softdep));
  files.set("modules.alias", encoder.encode(alias));
  return files;
}
