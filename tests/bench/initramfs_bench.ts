/** How long the initramfs of a boot takes: from installed modules to the archive's bytes. */
import { moduleClosure } from "../../lib/kernel/module_closure.ts";
import { readModuleIndex } from "../../lib/kernel/read_module_index.ts";
import { readModules } from "../../lib/kernel/read_modules.ts";
import { DirectoryTree } from "../../lib/sources/directory.ts";
import { buildInitramfs } from "../../lib/stage0/initramfs.ts";
import { elf, moduleElf, RELEASE, temporary, writeFiles } from "../kernel/fixture_tree.ts";

const MODULE_COUNT = 20;
/** The 20 modules of a Debian 6.12 boot have 6 MB together. */
const MODULE_BYTES = 300_000;
const TARGET_MS = 300;
const ROUNDS = 9;

/** Median of several rounds, every file read anew. */
export async function bench(): Promise<
  { name: string; figure: string; target: string; ok: boolean }[]
> {
  await using dir = await temporary();
  const directory = `usr/lib/modules/${RELEASE}`;
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < MODULE_COUNT; i++) {
    const base = moduleElf({ depends: i === 0 ? "" : `m${i - 1}`, aliases: [`alias-${i}`] });
    const bytes = new Uint8Array(MODULE_BYTES);
    bytes.set(base);
    for (let at = base.length; at < bytes.length; at++) bytes[at] = at * 31 + i;
    files[`${directory}/kernel/m${i}.ko`] = bytes;
  }
  await writeFiles(dir.path, files);
  const times: number[] = [];
  let sizeBytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await using tree = new DirectoryTree(dir.path);
    const index = await readModuleIndex(tree, directory);
    const closure = moduleClosure(index, [`m${MODULE_COUNT - 1}`]);
    const target = { release: RELEASE, arch: "x86_64" } as const;
    const modules = await readModules(tree, directory, closure, target);
    const init = elf(62, 2, [1], [{ name: ".text", data: new Uint8Array(48 << 10) }]);
    const archive = buildInitramfs({ init, settings: { rootfs: "erofs" }, modules });
    times.push(performance.now() - start);
    sizeBytes = archive.length;
    if (modules.length !== MODULE_COUNT) throw new Error(`${modules.length} modules`);
  }
  const median = times.sort((a, b) => a - b)[ROUNDS >> 1]!;
  return [{
    name: `initramfs of ${MODULE_COUNT} modules without depmod's indexes`,
    figure: `${median.toFixed(1)} ms, ${(sizeBytes / 1e6).toFixed(1)} MB`,
    target: `${TARGET_MS} ms`,
    ok: median <= TARGET_MS,
  }];
}
