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
  /** Files it may ask for, globs among them, relative to the firmware directory. */
  readonly firmware: readonly string[];
  /** `6.12.3-lab SMP mod_unload`, absent in a file that is no finished module. */
  readonly vermagic?: string;
}

const decoder = new TextDecoder();

/** usbcore-like tables stay below 1 MiB of aliases. */
export const MAX_MODINFO_BYTES = 8 << 20;

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
  const { softdeps, weakdeps: _, ...rest } = parseModinfoSection(
    bytes.subarray(section.offsetBytes, section.offsetBytes + section.sizeBytes),
  );
  return { machine: elf.machine, ...rest, softdeps: softdeps.map(parseSoftdep) };
}

/** The entries of a `.modinfo`, values as stored where not said otherwise, each in its order. */
export interface ModinfoEntries {
  /** Folded. */
  readonly depends: readonly string[];
  readonly softdeps: readonly string[];
  readonly weakdeps: readonly string[];
  readonly aliases: readonly string[];
  readonly firmware: readonly string[];
  readonly vermagic?: string;
}

/** Reads the bytes of a `.modinfo` section; unknown keys and entries without `=` are passed over. */
export function parseModinfoSection(section: Uint8Array): ModinfoEntries {
  const text = decoder.decode(section);
  const found: Record<"depends" | "softdeps" | "weakdeps" | "aliases" | "firmware", string[]> = {
    depends: [],
    softdeps: [],
    weakdeps: [],
    aliases: [],
    firmware: [],
  };
  let vermagic: string | undefined;
  let equals = 0;
  for (let at = 0; at < text.length;) {
    const zero = text.indexOf("\0", at);
    const end = zero < 0 ? text.length : zero;
    // Not looked for again before it is reached: entries without one would make that quadratic.
    if (equals < at || at === 0) equals = text.indexOf("=", at);
    if (equals < 0) break;
    if (equals < end) {
      const value = () => text.slice(equals + 1, end);
      switch (text.slice(at, equals)) {
        case "depends":
          for (const name of value().split(",")) {
            if (name !== "") found.depends.push(moduleName(name));
          }
          break;
        case "softdep":
          found.softdeps.push(value());
          break;
        case "weakdep":
          found.weakdeps.push(value());
          break;
        case "alias":
          found.aliases.push(value());
          break;
        case "firmware":
          found.firmware.push(value());
          break;
        case "vermagic":
          vermagic = value().trim();
      }
    }
    at = end + 1;
  }
  return vermagic === undefined ? found : { ...found, vermagic };
}
