/**
 * A newer erofs-utils than this machine's Debian has, for the formats only it writes: fetched once from
 * another suite of apt's own mirror, unpacked into a cache, and run through its own dynamic loader.
 *
 * Nothing of it is installed: apt works in a state directory of its own.
 */
import { debianSource } from "../lab/debian_packages.ts";
import { runCommand } from "../lab/run_command.ts";

const SUITE = "sid";

/** Words that start `program` (mkfs.erofs, fsck.erofs); undefined when it cannot be had here. */
export async function newerErofs(program: string): Promise<string[] | undefined> {
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const folder = `${home}/fastboop/test-erofs-${SUITE}`;
  try {
    if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return undefined;
    if (!await isThere(`${folder}/usr/bin/${program}`)) {
      if (!await isThere("/usr/bin/apt-get")) return undefined;
      await unpackSuite(folder);
    }
    const libraries = `${folder}/usr/lib/x86_64-linux-gnu`;
    const words = [`${libraries}/ld-linux-x86-64.so.2`, "--library-path", libraries];
    words.push(`${folder}/usr/bin/${program}`);
    await runCommand([...words, "--version"]);
    return words;
  } catch (error) {
    console.warn(`no newer erofs-utils: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** erofs-utils with all it depends on, moved to `folder` when it is whole. */
async function unpackSuite(folder: string): Promise<void> {
  const { mirror } = await debianSource();
  const parent = folder.slice(0, folder.lastIndexOf("/"));
  await Deno.mkdir(parent, { recursive: true });
  const state = await Deno.makeTempDir({ prefix: "fastboop-test-apt-" });
  const partial = await Deno.makeTempDir({ prefix: "test-erofs-", dir: parent });
  try {
    for (const name of ["lists/partial", "cache/archives/partial"]) {
      await Deno.mkdir(`${state}/${name}`, { recursive: true });
    }
    await Deno.writeTextFile(`${state}/status`, "");
    const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    const source = `deb [signed-by=${keyring}] ${mirror} ${SUITE} main\n`;
    await Deno.writeTextFile(`${state}/sources.list`, source);
    const options = [
      `Dir::State=${state}`,
      `Dir::State::lists=${state}/lists`,
      `Dir::State::status=${state}/status`,
      `Dir::Cache=${state}/cache`,
      `Dir::Etc::sourcelist=${state}/sources.list`,
      "Dir::Etc::sourceparts=/dev/null",
      "Acquire::Languages=none",
      "APT::Sandbox::User=root",
      "Acquire::http::Timeout=15",
      "Acquire::Retries=0",
    ];
    const apt = ["apt-get", ...options.flatMap((option) => ["-o", option])];
    await runCommand([...apt, "update"]);
    const install = ["install", "--download-only", "-y", "--no-install-recommends", "erofs-utils"];
    await runCommand([...apt, ...install]);
    for await (const { name } of Deno.readDir(`${state}/cache/archives`)) {
      if (!name.endsWith(".deb")) continue;
      await runCommand(["dpkg-deb", "-x", `${state}/cache/archives/${name}`, partial]);
    }
    await Deno.rename(partial, folder);
  } finally {
    await Deno.remove(state, { recursive: true });
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}
