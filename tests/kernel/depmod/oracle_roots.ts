/** One module tree under two sets of index files, depmod's and ours, and modprobe's answers over both. */
import assert from "node:assert/strict";
import { modprobeEach } from "./kmod.ts";

const INDEX_FILE = /^modules\.(dep|alias|symbols|softdep|weakdep|devname)$|\.bin$/;

/** Where the lab keeps Debian's kernel package, unpacked and seen by depmod; undefined without it. */
export function debianRoot(): { root: string; directory: string } | undefined {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const root = `${cache}/fastboop/lab/debian-amd64`;
  try {
    for (const { name } of Deno.readDirSync(`${root}/lib/modules`)) {
      const directory = `lib/modules/${name}`;
      if (Deno.statSync(`${root}/${directory}/modules.dep.bin`).isFile) return { root, directory };
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}

export class OracleRoots implements AsyncDisposable {
  private constructor(readonly path: string, readonly release: string) {}

  /** `directory` in `root` holds depmod's indexes; nothing is written there. */
  static async open(
    root: string,
    directory: string,
    ours: ReadonlyMap<string, Uint8Array>,
  ): Promise<OracleRoots> {
    const source = `${root}/${directory}`;
    const release = directory.slice(directory.lastIndexOf("/") + 1);
    const path = await Deno.makeTempDir({ prefix: "fastboop-test-" });
    for (const side of ["theirs", "ours"]) {
      const target = `${path}/${side}/lib/modules/${release}`;
      await Deno.mkdir(target, { recursive: true });
      for (const { name } of Deno.readDirSync(source)) {
        if (side === "ours" && INDEX_FILE.test(name)) continue;
        await Deno.symlink(`${source}/${name}`, `${target}/${name}`);
      }
    }
    for (const [name, bytes] of ours) {
      await Deno.writeFile(`${path}/ours/lib/modules/${release}/${name}`, bytes);
    }
    return new OracleRoots(path, release);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }

  /** modprobe must say the same over both for each name. */
  async compare(
    mode: "--show-depends" | "--resolve-alias",
    names: readonly string[],
  ): Promise<void> {
    const [theirs, ours] = [
      await modprobeEach(`${this.path}/theirs`, this.release, mode, names),
      await modprobeEach(`${this.path}/ours`, this.release, mode, names),
    ];
    for (const [i, name] of names.entries()) assert.equal(ours[i], theirs[i], `${mode} ${name}`);
  }

  /** All modules, built-ins, and some aliases and symbols; every `step`th of each. */
  async compareAll(step = 1): Promise<void> {
    const read = (name: string) =>
      Deno.readTextFileSync(`${this.path}/theirs/lib/modules/${this.release}/${name}`);
    const some = (list: string[], of = 1) => list.filter((_, i) => i % (of * step) === 0);
    const base = (path: string) => path.slice(path.lastIndexOf("/") + 1).replace(/\.ko.*$/, "");
    const rows = (name: string) => read(name).split("\n").filter((line) => line !== "");
    const keys = (name: string) =>
      rows(name).filter((line) => line.startsWith("alias "))
        .map((line) => line.slice(6, line.lastIndexOf(" ")));
    const modules = rows("modules.dep").map((row) => base(row.slice(0, row.indexOf(":"))));
    await this.compare("--show-depends", some(modules));
    await this.compare("--show-depends", some(rows("modules.builtin").map(base)));
    // Names that the patterns match: something for each star, a member of each set.
    const asName = (alias: string) => alias.replaceAll("*", "x").replaceAll(/\[(.).*?\]/g, "$1");
    await this.compare("--resolve-alias", some(keys("modules.alias"), 11).map(asName));
    await this.compare("--resolve-alias", some(keys("modules.symbols"), 31));
    const builtin = read("modules.builtin.modinfo").split("\0")
      .map((entry) => /^[^.=]+\.alias=(.*)$/.exec(entry)?.[1])
      .filter((alias) => alias !== undefined);
    await this.compare("--resolve-alias", some(builtin.map(asName)));
  }
}
