/** Device files, FIFOs and sockets through libc: Deno has no API for them. Source: mknod(2), makedev(3). */
import type { Entry } from "../sources/file_tree.ts";

const LIBRARIES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];
const SYMBOLS = {
  mknod: { parameters: ["buffer", "u32", "u64"], result: "i32" },
} as const;
/** include/uapi/linux/stat.h. */
const TYPES: Partial<Record<Entry["kind"], number>> = {
  "fifo": 0o010000,
  "character-device": 0o020000,
  "block-device": 0o060000,
  "socket": 0o140000,
};

/** Makes a node with mode 0600; false when it could not be made. */
export type MakeNode = (path: string, entry: Entry) => boolean;

/** Undefined where it cannot be done: not Linux, no permission for FFI, no libc. */
export function openMakeNode(): MakeNode | undefined {
  if (Deno.build.os !== "linux") return undefined;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  for (const name of LIBRARIES) {
    try {
      const { mknod } = Deno.dlopen(name, SYMBOLS).symbols;
      return (path, { kind, deviceMajor = 0, deviceMinor = 0 }) => {
        const type = TYPES[kind];
        if (type === undefined) return false;
        const text = new TextEncoder().encode(`${path}\0`);
        return mknod(text, type | 0o600, deviceNumber(deviceMajor, deviceMinor)) === 0;
      };
    } catch {
      // The other C library of Linux is tried next.
    }
  }
  return undefined;
}

/** As glibc's gnu_dev_makedev: 12 low and 20 high bits of the major, 8 and 24 of the minor. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) |
    ((low & 0xffffff00n) << 12n) | (low & 0xffn);
}
