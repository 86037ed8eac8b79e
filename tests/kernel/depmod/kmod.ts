/** kmod's programs as oracles: what modprobe says over one set of index files. */
import { hasProgram } from "../real_trees.ts";

export const HAS_KMOD = hasProgram("modprobe") && hasProgram("depmod");
const PARALLEL = 2;

async function run(program: string, args: string[]): Promise<string> {
  const { stdout, stderr, code } = await new Deno.Command(program, {
    args,
    env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
  }).output();
  const text = new TextDecoder();
  return `${code}\n${text.decode(stdout)}${text.decode(stderr)}`;
}

/** Runs depmod over `root/lib/modules/<release>`; gives its warnings. */
export async function depmod(root: string, release: string): Promise<string> {
  return await run("depmod", ["-a", "-b", root, release]);
}

/** The answer for each name, in order; modprobe takes one name a run, so two run at once. */
export async function modprobeEach(
  root: string,
  release: string,
  mode: "--show-depends" | "--resolve-alias",
  names: readonly string[],
): Promise<string[]> {
  const answers: string[] = new Array(names.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < names.length; i = next++) {
      const args = ["-S", release, "-d", root, "-C", "/dev/null", mode, names[i]!];
      answers[i] = (await run("modprobe", args)).replaceAll(root, "")
        .replaceAll(/ctx=0x[0-9a-f]+/g, "");
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return answers;
}
