/**
 * Builds stage0 for every architecture into stage0/prebuilt, with SHA256SUMS and the versions of the
 * tools beside it: `deno task stage0`. Same tools, same bytes.
 *
 * x86_64 is compiled by musl-gcc. aarch64 is compiled by Debian's cross compiler against the headers
 * and libc.a of the arm64 package `musl-dev`, which apt downloads with a state of its own, so that
 * this machine's dpkg learns of no foreign architecture; what it unpacks is kept in
 * ~/.cache/fastboop/stage0.
 */

export const STAGE0_ARCHES = ["x86_64", "aarch64"] as const;
export type Stage0Arch = (typeof STAGE0_ARCHES)[number];

/** A committed binary may not be larger: it is locked in a phone's memory for ever. */
export const MAX_BINARY_BYTES = 64 * 1024;

const ROOM = new URL(".", import.meta.url).pathname;
const PREBUILT = `${ROOM}prebuilt`;

const COMPILER: Record<Stage0Arch, { command: string; packageName: string }> = {
  x86_64: { command: "musl-gcc", packageName: "musl-tools" },
  aarch64: { command: "aarch64-linux-gnu-gcc", packageName: "gcc-aarch64-linux-gnu" },
};

/** Unwind tables, RELRO and segments of their own cost a third of the size and protect nothing here. */
const FLAGS = [
  ..."-std=c11 -D_GNU_SOURCE -Os -Wall -Wextra -Werror -static -fno-pie -no-pie".split(" "),
  ..."-fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables".split(" "),
  ..."-ffunction-sections -fdata-sections -s -Wl,--gc-sections,--build-id=none".split(" "),
  "-Wl,-z,noseparate-code,-z,norelro",
];

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    env: { LC_ALL: "C" },
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${command} ${args[0]}: ${text.decode(stderr).trim()}`);
  return text.decode(stdout).trim();
}

async function isFile(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isFile ?? false;
}

async function hasCommand(name: string): Promise<boolean> {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    if (await isFile(`${directory}/${name}`)) return true;
  }
  return false;
}

/** The packages that are missing on this machine for `arches`. */
export async function missingTools(arches: readonly Stage0Arch[]): Promise<string[]> {
  const missing: string[] = [];
  for (const arch of arches) {
    const { command, packageName } = COMPILER[arch];
    if (!await hasCommand(command)) missing.push(packageName);
  }
  return missing;
}

function cacheDirectory(): string {
  const home = Deno.env.get("HOME");
  const base = Deno.env.get("XDG_CACHE_HOME") ?? (home && `${home}/.cache`);
  if (!base) throw new Error("neither XDG_CACHE_HOME nor HOME is set");
  return `${base}/fastboop/stage0`;
}

/** Directory of the unpacked arm64 musl, if an earlier build has fetched it. */
export async function findArm64Musl(): Promise<string | undefined> {
  const cache = cacheDirectory();
  await Deno.mkdir(cache, { recursive: true });
  for await (const entry of Deno.readDir(cache)) {
    const lib = `${cache}/${entry.name}/usr/lib/aarch64-linux-musl/libc.a`;
    if (entry.name.startsWith("musl-dev_") && await isFile(lib)) return `${cache}/${entry.name}`;
  }
}

/** The same; downloads it when absent. Its version is part of the name. */
export async function ensureArm64Musl(): Promise<string> {
  const cache = cacheDirectory();
  const found = await findArm64Musl();
  if (found) return found;
  const state = await Deno.makeTempDir({ prefix: "fastboop-stage0-apt-" });
  try {
    for (const name of ["lists/partial", "cache/archives/partial", "packages"]) {
      await Deno.mkdir(`${state}/${name}`, { recursive: true });
    }
    await Deno.writeTextFile(`${state}/status`, "");
    const settings = [
      ...[`Dir::State=${state}`, `Dir::State::lists=${state}/lists`, `Dir::Cache=${state}/cache`],
      ...[`Dir::State::status=${state}/status`, "APT::Architecture=arm64"],
      ...["APT::Architectures=arm64", "Acquire::Languages=none", "APT::Sandbox::User=root"],
    ].flatMap((setting) => ["-o", setting]);
    await run("apt-get", [...settings, "update"], state);
    await run("apt-get", [...settings, "download", "musl-dev"], `${state}/packages`);
    for await (const entry of Deno.readDir(`${state}/packages`)) {
      // Unpacked beside its place and then renamed, so that a broken-off run leaves nothing half.
      const unpacked = `${cache}/${entry.name.replace(/\.deb$/, "")}`;
      const partial = `${unpacked}.partial-${Deno.pid}`.replace("musl-dev_", "partial_");
      await run("dpkg-deb", ["-x", `${state}/packages/${entry.name}`, partial], state);
      await Deno.rename(partial, unpacked);
    }
  } finally {
    await Deno.remove(state, { recursive: true });
  }
  const made = await findArm64Musl();
  if (!made) throw new Error("the arm64 package musl-dev has no usr/lib/aarch64-linux-musl/libc.a");
  return made;
}

async function sources(): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(`${ROOM}src`)) {
    if (entry.name.endsWith(".c")) names.push(entry.name);
  }
  return names.sort();
}

/**
 * Compiles one architecture.
 *
 * @throws {Error} with the compiler's words, or when the binary is larger than MAX_BINARY_BYTES.
 */
export async function buildStage0(arch: Stage0Arch, output: string): Promise<void> {
  const { command } = COMPILER[arch];
  const cwd = `${ROOM}src`;
  const common = [...FLAGS, `-ffile-prefix-map=${ROOM}=`, ...await sources()];
  if (arch === "x86_64") {
    await run(command, [...common, "-o", output], cwd);
  } else {
    const musl = await ensureArm64Musl();
    const lib = `${musl}/usr/lib/aarch64-linux-musl`;
    await run(command, [
      ...common,
      ...["-nostdinc", "-isystem", `${musl}/usr/include/aarch64-linux-musl`, "-nostdlib"],
      // Outlined atomics would need the C library that libgcc was built for.
      "-mno-outline-atomics",
      ...[`${lib}/crt1.o`, `${lib}/crti.o`, `${lib}/libc.a`, "-lgcc", `${lib}/crtn.o`],
      ...["-o", output],
    ], cwd);
  }
  const { size } = await Deno.stat(output);
  if (size > MAX_BINARY_BYTES) {
    throw new Error(`stage0 for ${arch} is ${size} bytes, must be at most ${MAX_BINARY_BYTES}`);
  }
}

/** Versions of everything that decides the bytes, one line per architecture. */
export async function describeTools(): Promise<string> {
  const lines: string[] = [];
  for (const arch of STAGE0_ARCHES) {
    const compiler = (await run(COMPILER[arch].command, ["--version"], ROOM)).split("\n")[0]!;
    const musl = arch === "aarch64"
      ? (await ensureArm64Musl()).replace(/^.*musl-dev_(.*)_arm64$/, "$1")
      : await run("dpkg-query", ["-W", "-f", "${Version}", "musl-dev"], ROOM);
    lines.push(`${arch}: ${compiler}; musl ${musl}`);
  }
  return lines.join("\n") + "\n";
}

async function sha256(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

if (import.meta.main) {
  const missing = await missingTools(STAGE0_ARCHES);
  if (missing.length > 0) {
    console.error(`stage0 needs compilers; as root: apt-get install -y ${missing.join(" ")}`);
    Deno.exit(1);
  }
  await Deno.mkdir(PREBUILT, { recursive: true });
  let sums = "";
  for (const arch of STAGE0_ARCHES) {
    const name = `stage0-${arch}`;
    await buildStage0(arch, `${PREBUILT}/${name}`);
    sums += `${await sha256(`${PREBUILT}/${name}`)}  ${name}\n`;
    console.log(`${name}: ${(await Deno.stat(`${PREBUILT}/${name}`)).size} bytes`);
  }
  await Deno.writeTextFile(`${PREBUILT}/SHA256SUMS`, sums);
  await Deno.writeTextFile(`${PREBUILT}/TOOLS`, await describeTools());
}
