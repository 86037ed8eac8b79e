/**
 * What a kernel module says about itself: the `.modinfo` section of its ELF file, a run of NUL-ended
 * `key=value` strings (include/linux/moduleparam.h, scripts/mod/modpost.c).
 */
import { FastboopError } from "../errors/errors.ts";
import { parseElf } from "./elf.ts";
import { moduleName } from "./module_name.ts";
import { parseSoftdep, type Softdep } from "./softdep.ts";

export interface Modinfo {
  /** e_machine of the file. */
  readonly machine: number;
  /** Names of the modules whose symbols it uses, folded. */
  readonly depends: readonly string[];
  readonly softdeps: readonly Softdep[];
  readonly aliases: readonly string[];
  /** `6.12.3-lab SMP mod_unload`, absent in a file that is no finished module. */
  readonly vermagic?: string;
}

/** usbcore-like tables stay below 1 MiB of aliases. */
const MAX_MODINFO_BYTES = 8 << 20;

/**
 * Reads the `.modinfo` of an uncompressed module.
 *
 * @param what names the file in errors.
 * @throws {FastboopError} `corrupt` when it is no ELF file or has no `.modinfo`; `unsupported`.
 */
export function parseModinfo(bytes: Uint8Array, what: string): Modinfo {
  const elf = parseElf(bytes, what);
  const section = elf.sections.find((s) => s.name === ".modinfo");
  if (!section || section.sizeBytes > MAX_MODINFO_BYTES) {
    throw new FastboopError({
      kind: "corrupt",
      action: `Read ${what}`,
      state: section ? `its .modinfo has ${section.sizeBytes} bytes` : "it has no .modinfo section",
      hint: "Build the module again: `make modules`",
    });
  }
  const end = section.offsetBytes + section.sizeBytes;
  const text = new TextDecoder().decode(bytes.subarray(section.offsetBytes, end));
  const found = { depends: [] as string[], softdeps: [] as Softdep[], aliases: [] as string[] };
  let vermagic: string | undefined;
  for (const entry of text.split("\0")) {
    const at = entry.indexOf("=");
    if (at < 0) continue;
    const value = entry.slice(at + 1);
    switch (entry.slice(0, at)) {
      case "depends":
        found.depends.push(...value.split(",").filter((name) => name !== "").map(moduleName));
        break;
      case "softdep":
        found.softdeps.push(parseSoftdep(value));
        break;
      case "alias":
        found.aliases.push(value);
        break;
      case "vermagic":
        vermagic = value.trim();
    }
  }
  return { machine: elf.machine, ...found, ...(vermagic === undefined ? {} : { vermagic }) };
}
