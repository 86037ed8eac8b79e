/** module/: kernel modules outside of the tree, built against the lab's; `dummy` needs firmware. */
import { type LabArch, labDirectory } from "./lab_directory.ts";
import { runCommand } from "./run_command.ts";
import { buildOnce, digestOf } from "./stamp.ts";

const SOURCES = ["Kbuild", "firmware_probe.c", "rebuilt.c"];

/** Directory for `--extra-modules`, as `make M=DIR` leaves it. x86_64 only. */
export async function ensureProbeModule(arch: LabArch, tree: string): Promise<string> {
  const directory = `${labDirectory()}/module-${arch}`;
  const texts = await Promise.all(
    SOURCES.map((name) => Deno.readTextFile(`${import.meta.dirname}/module/${name}`)),
  );
  const built = (await Deno.stat(`${tree}/modules.order`)).mtime?.toISOString() ?? "";
  await buildOnce(directory, digestOf(["module 1", tree, built, ...texts]), async () => {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    await Deno.mkdir(directory);
    for (const [i, name] of SOURCES.entries()) {
      await Deno.writeTextFile(`${directory}/${name}`, texts[i]!);
    }
    await runCommand(["make", "-s", "-C", tree, `M=${directory}`, "modules"]);
  });
  return directory;
}
