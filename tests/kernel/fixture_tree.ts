/** Kernel trees, images and modules in miniature, with the headers the real ones have. */
import { gzipSync } from "node:zlib";
import type { Arch } from "../../lib/kernel/arch.ts";

const encoder = new TextEncoder();

export interface ModuleParts {
  depends?: string;
  softdep?: string;
  weakdep?: string;
  aliases?: string[];
  firmware?: string[];
  /** `""` leaves vermagic out. */
  vermagic?: string;
  machine?: number;
}

export const RELEASE = "6.12.3-test";

/** A relocatable ELF64 file with a `.modinfo`, as the kernel's modules are. */
export function moduleElf(parts: ModuleParts = {}): Uint8Array<ArrayBuffer> {
  const vermagic = parts.vermagic ?? `${RELEASE} SMP mod_unload `;
  const modinfo = encoder.encode(
    [
      "license=GPL",
      ...(parts.aliases ?? []).map((alias) => `alias=${alias}`),
      ...(parts.firmware ?? []).map((name) => `firmware=${name}`),
      ...(parts.softdep === undefined ? [] : [`softdep=${parts.softdep}`]),
      ...(parts.weakdep === undefined ? [] : [`weakdep=${parts.weakdep}`]),
      `depends=${parts.depends ?? ""}`,
      ...(vermagic === "" ? [] : [`vermagic=${vermagic}`]),
    ].join("\0") + "\0",
  );
  return elf(parts.machine ?? 62, 1, [], [{ name: ".modinfo", data: modinfo }]);
}

/** An ELF64 file with the given program header types and sections. */
export function elf(
  machine: number,
  type: number,
  segmentTypes: number[],
  sections: { name: string; data: Uint8Array }[],
): Uint8Array<ArrayBuffer> {
  const names = encoder.encode(["", ...sections.map((s) => s.name), ".shstrtab", ""].join("\0"));
  const all = [...sections, { name: ".shstrtab", data: names }];
  const dataAt = 64 + segmentTypes.length * 56;
  const tableAt = Math.ceil((dataAt + all.reduce((n, s) => n + s.data.length, 0)) / 8) * 8;
  const bytes = new Uint8Array(tableAt + (all.length + 1) * 64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setBigUint64(40, BigInt(tableAt), true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segmentTypes.length, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, all.length + 1, true);
  view.setUint16(62, all.length, true);
  segmentTypes.forEach((segment, i) => view.setUint32(64 + i * 56, segment, true));
  let offset = dataAt;
  let nameAt = 1;
  all.forEach((section, i) => {
    bytes.set(section.data, offset);
    const at = tableAt + (i + 1) * 64;
    view.setUint32(at, nameAt, true);
    view.setUint32(at + 4, 1, true);
    view.setBigUint64(at + 24, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(section.data.length), true);
    offset += section.data.length;
    nameAt += section.name.length + 1;
  });
  return bytes;
}

/** A bzImage with a whole header and an empty kernel. */
export function bzImage(release = RELEASE): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2 * 512 + 64 * 16);
  const view = new DataView(bytes.buffer);
  bytes[0x1f1] = 1;
  view.setUint32(0x1f4, 64, true);
  view.setUint16(0x1fe, 0xaa55, true);
  bytes.set(encoder.encode("HdrS"), 0x202);
  view.setUint16(0x206, 0x020f, true);
  view.setUint16(0x20e, 0x80, true);
  view.setUint16(0x236, 1, true);
  bytes.set(encoder.encode(`${release} (you@here) #1 SMP\0`), 0x280);
  return bytes;
}

/** An uncompressed arm64 Image. */
export function arm64Image(release = RELEASE): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(16, 8192n, true);
  bytes.set(encoder.encode("ARMd"), 56);
  bytes.set(encoder.encode("Linux version %s (you)\0"), 512);
  bytes.set(encoder.encode(`Linux version ${release} (you@here) (gcc 12) # SMP\n\0`), 1024);
  return bytes;
}

/** An EFI zboot image around a payload. */
export function zboot(codec: string, payload: Uint8Array, plainSizeBytes?: number): Uint8Array {
  const bytes = new Uint8Array(128 + payload.length + (plainSizeBytes === undefined ? 0 : 4));
  const view = new DataView(bytes.buffer);
  bytes.set(encoder.encode("MZ\0\0zimg"));
  view.setUint32(8, 128, true);
  view.setUint32(12, payload.length, true);
  bytes.set(encoder.encode(`${codec}\0`), 24);
  bytes.set(payload, 128);
  if (plainSizeBytes !== undefined) view.setUint32(128 + payload.length, plainSizeBytes, true);
  return bytes;
}

/** The 40-byte header of a flattened device tree. */
export function dtbHeader(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(40);
  new DataView(bytes.buffer).setUint32(0, 0xd00dfeed);
  new DataView(bytes.buffer).setUint32(4, 40);
  return bytes;
}

/** Writes files below `dir`, making folders; `null` removes one. */
export async function writeFiles(
  dir: string,
  files: Record<string, string | Uint8Array | null>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = `${dir}/${name}`;
    if (content === null) {
      await Deno.remove(path, { recursive: true });
      continue;
    }
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(path, typeof content === "string" ? encoder.encode(content) : content);
  }
}

/** Sets a file's age: the moments of a build, in seconds after its start. */
export async function setTime(path: string, second: number): Promise<void> {
  await Deno.utime(path, 1_700_000_000 + second, 1_700_000_000 + second);
}

export const SOURCE_FILES = {
  "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\n",
  "Kbuild": "obj-y += init/\n",
  "fs/erofs/Makefile": "obj-$(CONFIG_EROFS_FS) += erofs.o\n",
};

/** A whole build of `arch` in `outDir` whose times are those of a finished make. */
export async function writeBuild(outDir: string, arch: Arch, release = RELEASE): Promise<void> {
  const arm = arch === "aarch64";
  const config = [
    "#",
    "# Automatically generated file; DO NOT EDIT.",
    `# Linux/${arm ? "arm64" : "x86_64"} 6.12.3 Kernel Configuration`,
    "#",
    `CONFIG_CC_VERSION_TEXT="${arm ? "aarch64-linux-gnu-" : ""}gcc (Debian 12.2.0-14) 12.2.0"`,
    `CONFIG_${arm ? "ARM64" : "X86_64"}=y`,
    "CONFIG_MODULES=y",
    "CONFIG_EROFS_FS=m",
    'CONFIG_LOCALVERSION="-test"',
    "# CONFIG_MODVERSIONS is not set",
    "",
  ].join("\n");
  const machine = arm ? 183 : 62;
  await writeFiles(outDir, {
    ".config": config,
    "include/config/auto.conf": config,
    "include/config/kernel.release": `${release}\n`,
    "vmlinux.a": "!<thin>\n",
    "vmlinux": "\x7fELF",
    "modules.order": "fs/erofs/erofs.o\nlib/libcrc32c.o\n",
    "fs/erofs/erofs.o": "o",
    "fs/erofs/erofs.ko": moduleElf({ machine, depends: "libcrc32c" }),
    "lib/libcrc32c.o": "o",
    "lib/libcrc32c.ko": moduleElf({ machine }),
    ...(arm
      ? {
        "arch/arm64/boot/Image": arm64Image(release),
        "arch/arm64/boot/Image.gz": gzipSync(arm64Image(release)),
        "arch/arm64/boot/dts/qcom/sdm845-one.dtb": dtbHeader(),
      }
      : { "arch/x86/boot/bzImage": bzImage(release) }),
  });
  const order = [
    ".config",
    "include/config/auto.conf",
    "include/config/kernel.release",
    "fs/erofs/erofs.o",
    "lib/libcrc32c.o",
    "vmlinux.a",
    "vmlinux",
    ...(arm ? ["arch/arm64/boot/Image", "arch/arm64/boot/Image.gz"] : ["arch/x86/boot/bzImage"]),
    "fs/erofs/erofs.ko",
    "lib/libcrc32c.ko",
  ];
  for (const [second, name] of order.entries()) await setTime(`${outDir}/${name}`, second);
}

/** The generated Makefile of an output directory. */
export function outputMakefile(sourceDir: string): string {
  return `# Automatically generated by ${sourceDir}/Makefile: don't edit\ninclude ${sourceDir}/Makefile\n`;
}

/** A temporary directory that is removed with its block. */
export async function temporary(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "fastboop-test-" }));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Puts an executable script called `make` into `dir`; PATH of it and the usual tools. */
export async function fakeMake(dir: string, script: string): Promise<Record<string, string>> {
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(`${dir}/make`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { PATH: `${dir}:/usr/bin:/bin` };
}
