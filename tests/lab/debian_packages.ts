/**
 * Debian packages: what the lab needs on this machine, and packages of another architecture unpacked
 * without telling the machine's own dpkg. Mirrors are those that apt is configured with.
 */
import { runCommand } from "./run_command.ts";

/** What the lab runs, and the package that brings it. */
const NEEDED: readonly (readonly [path: string, packageName: string])[] = [
  ["/usr/bin/qemu-system-x86_64", "qemu-system-x86"],
  ["/usr/bin/qemu-system-aarch64", "qemu-system-arm"],
  ["/usr/bin/mkfs.erofs", "erofs-utils"],
  ["/usr/sbin/debootstrap", "debootstrap"],
  ["/usr/src/linux-source-6.12.tar.xz", "linux-source-6.12"],
  ["/usr/bin/make", "make"],
  ["/usr/bin/gcc", "gcc"],
  ["/usr/bin/flex", "flex"],
  ["/usr/bin/bison", "bison"],
  ["/usr/bin/bc", "bc"],
  ["/usr/bin/perl", "perl"],
  ["/usr/include/libelf.h", "libelf-dev"],
  ["/usr/include/openssl/ssl.h", "libssl-dev"],
  ["/usr/bin/musl-gcc", "musl-tools"],
  ["/usr/bin/aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"],
  ["/usr/sbin/modinfo", "kmod"],
  ["/usr/bin/xz", "xz-utils"],
  ["/usr/bin/busybox", "busybox-static"],
  ["/usr/sbin/sfdisk", "fdisk"],
  ["/usr/sbin/sgdisk", "gdisk"],
  ["/usr/sbin/mkfs.vfat", "dosfstools"],
  ["/usr/bin/mcopy", "mtools"],
  ["/usr/bin/img2simg", "android-sdk-libsparse-utils"],
];

/** Packages that are missing on this machine. */
export async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  for (const [path, packageName] of NEEDED) {
    if (!await Deno.stat(path).catch(() => undefined)) missing.push(packageName);
  }
  return missing;
}

/**
 * Installs what is missing; only root can.
 *
 * @throws {Error} naming the one line to run, when this is not root.
 */
export async function ensurePackages(): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  const install = ["apt-get", "install", "-y", "--no-install-recommends", ...missing];
  const line = `apt-get update && ${install.join(" ")}`;
  if (Deno.uid() !== 0) throw new Error(`the lab needs packages; as root: ${line}`);
  console.error(`lab: ${line}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await runCommand(["apt-get", "update"], { env });
  await runCommand(install, { env });
}

export interface DebianSource {
  mirror: string;
  suite: string;
}

/** The first mirror and suite of apt's own configuration. */
export async function debianSource(): Promise<DebianSource> {
  const targets = await runCommand([
    "apt-get",
    "indextargets",
    "--format",
    "$(REPO_URI) $(RELEASE)",
    "Created-By: Packages",
  ]);
  const [mirror, suite] = targets.split("\n")[0]!.split(" ");
  if (!mirror || !suite) throw new Error("apt is configured with no package source");
  return { mirror, suite };
}

/** Unpacks packages of another architecture into `into`, with an apt state of its own. */
export async function unpackForeign(
  architecture: string,
  packages: readonly string[],
  into: string,
): Promise<void> {
  const state = await Deno.makeTempDir({ prefix: "fastboop-lab-apt-" });
  try {
    for (const name of ["lists/partial", "cache/archives/partial", "packages"]) {
      await Deno.mkdir(`${state}/${name}`, { recursive: true });
    }
    // apt fetches as the user _apt, who must reach the directory.
    await Deno.chmod(state, 0o755);
    await Deno.writeTextFile(`${state}/status`, "");
    const apt = [
      "apt-get",
      ...["-o", `Dir::State=${state}`, "-o", `Dir::State::lists=${state}/lists`],
      ...["-o", `Dir::State::status=${state}/status`, "-o", `Dir::Cache=${state}/cache`],
      ...["-o", `APT::Architecture=${architecture}`, "-o", `APT::Architectures=${architecture}`],
      ...["-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root"],
    ];
    await runCommand([...apt, "update"]);
    await runCommand([...apt, "download", ...packages], { cwd: `${state}/packages` });
    for await (const entry of Deno.readDir(`${state}/packages`)) {
      await runCommand(["dpkg-deb", "-x", `${state}/packages/${entry.name}`, into]);
    }
  } finally {
    await Deno.remove(state, { recursive: true });
  }
}
