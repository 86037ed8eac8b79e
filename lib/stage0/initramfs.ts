/**
 * The initramfs: stage0 as `/init`, its settings, and its modules in load order. The layout is the
 * contract of stage0/README.md. The same input gives the same bytes.
 */
import { concat } from "../bytes/concat.ts";
import { FastboopError } from "../errors/errors.ts";
import { encodeCpio } from "../filesystems/cpio/encode_cpio.ts";
import type { CpioEntry } from "../filesystems/cpio/entry.ts";
import type { LoadedModule } from "../kernel/read_modules.ts";
import { type BuildStamp, encodeStamp, STAMP_PATH } from "./build_stamp.ts";
import { encodeSettings, type Stage0Settings } from "./settings.ts";

export interface InitramfsParts {
  /** The program of readPayload(). */
  init: Uint8Array;
  settings: Stage0Settings;
  /** Plain modules in load order, as readModules() gives them. */
  modules: readonly LoadedModule[];
  /** Firmware of those, as readFirmware() gives it. */
  firmware?: readonly CpioEntry[];
  /** What it is made of, for `inspect`. */
  stamp?: BuildStamp;
}

/** stage0 reads the list into a buffer of 32 KiB (stage0/src/modules.c). */
const MAX_ORDER_BYTES = 32_767;
/** stage0 refuses longer names, and any with a slash. */
const MODULE_FILE = /^[A-Za-z0-9_.,+@-]{1,197}\.ko$/;
/** An initramfs that does not fit a phone's memory next to its kernel. */
const MAX_INITRAMFS_BYTES = 512 << 20;

/**
 * One uncompressed newc archive; another may be appended to it.
 *
 * @throws {FastboopError} `usage` for settings stage0 would refuse; `unsupported` for a module's file name
 * it would; `limit` above 512 MiB.
 */
export function buildInitramfs(parts: InitramfsParts): Uint8Array<ArrayBuffer> {
  const file = (path: string, mode: number, data: Uint8Array): CpioEntry => ({
    path,
    mode: 0o100000 | mode,
    data,
  });
  const encoder = new TextEncoder();
  const entries = [file("init", 0o755, parts.init)];
  for (const [key, value] of encodeSettings(parts.settings)) {
    entries.push(file(`etc/stage0/${key}`, 0o644, encoder.encode(`${value}\n`)));
  }
  if (parts.stamp !== undefined) entries.push(file(STAMP_PATH, 0o644, encodeStamp(parts.stamp)));
  if (parts.modules.length > 0) {
    const order = encoder.encode(moduleOrder(parts.modules));
    entries.push(file("modules/order", 0o644, order));
  }
  for (const { fileName, bytes } of parts.modules) {
    entries.push(file(`modules/${fileName}`, 0o644, bytes));
  }
  entries.push(...parts.firmware ?? []);
  const sizeBytes = entries.reduce((sum, { data }) => sum + data!.length, 0);
  if (sizeBytes > MAX_INITRAMFS_BYTES) {
    throw new FastboopError({
      kind: "limit",
      action: "Build the initramfs",
      state: `its files have ${sizeBytes} bytes, the limit is ${MAX_INITRAMFS_BYTES}`,
      hint: "Install the modules stripped, or name fewer",
    });
  }
  return concat(encodeCpio(entries));
}

function moduleOrder(modules: readonly LoadedModule[]): string {
  const action = "List the modules of the initramfs";
  let text = "";
  for (const { fileName, optional } of modules) {
    if (!MODULE_FILE.test(fileName)) {
      const state = `stage0 cannot take a file called "${fileName.slice(0, 80)}"`;
      throw new FastboopError({ kind: "unsupported", action, state });
    }
    text += `${optional ? "?" : ""}${fileName}\n`;
  }
  if (text.length <= MAX_ORDER_BYTES) return text;
  const state = `the list has ${text.length} bytes, stage0 reads ${MAX_ORDER_BYTES}`;
  throw new FastboopError({ kind: "limit", action, state });
}
