/**
 * Extended attributes of host files through libc (Deno has no API for them).
 *
 * Only the prefixes a file system image can carry are read: user., trusted., security. and the POSIX
 * ACLs. Used only where permission for FFI was granted beforehand: it is never asked for.
 *
 * Source: listxattr(2), getxattr(2), xattr(7).
 */
import { FastboopError } from "../errors/errors.ts";

/** Attributes of one path by full name; links are not followed. Undefined when there are none. */
export type ReadXattrs = (path: string) => ReadonlyMap<string, Uint8Array> | undefined;

/** include/uapi/linux/limits.h: XATTR_LIST_MAX and XATTR_SIZE_MAX. */
const XATTR_SIZE_MAX_BYTES = 65536;
const ENODATA = 61;
const EOPNOTSUPP = 95;

const LIBRARIES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];
const CARRIED = /^(user\.|trusted\.|security\.|system\.posix_acl_(access|default)$)/;

const SYMBOLS = {
  llistxattr: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  lgetxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "isize" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

/** A reader of extended attributes, or undefined with one warning that says why there is none. */
export function openXattrs(onWarning: (text: string) => void): ReadXattrs | undefined {
  if (Deno.build.os !== "linux") {
    onWarning("Extended attributes are left out: they can be read on Linux only");
    return undefined;
  }
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    onWarning("Extended attributes are left out: reading them needs --allow-ffi");
    return undefined;
  }
  const library = openLibrary();
  if (library === undefined) {
    onWarning(`Extended attributes are left out: none of ${LIBRARIES.join(", ")} can be loaded`);
    return undefined;
  }
  return readerOf(library);
}

function openLibrary(): Library | undefined {
  for (const name of LIBRARIES) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch {
      // The other C library of Linux is tried next.
    }
  }
  return undefined;
}

function readerOf(library: Library): ReadXattrs {
  const { llistxattr, lgetxattr } = library.symbols;
  const list = new Uint8Array(XATTR_SIZE_MAX_BYTES);
  const value = new Uint8Array(XATTR_SIZE_MAX_BYTES);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true });

  return (path) => {
    const cPath = encoder.encode(path + "\0");
    const listed = Number(llistxattr(cPath, list, BigInt(list.length)));
    if (listed < 0) return refuse(library, path);
    if (listed === 0) return undefined;
    const found = new Map<string, Uint8Array>();
    for (const name of decoder.decode(list.subarray(0, listed)).split("\0")) {
      if (!CARRIED.test(name)) continue;
      const cName = encoder.encode(name + "\0");
      const length = Number(lgetxattr(cPath, cName, value, BigInt(value.length)));
      if (length < 0) refuse(library, path);
      else found.set(name, value.slice(0, length));
    }
    return found.size > 0 ? found : undefined;
  };
}

/** Nothing there is fine, everything else is an error. */
function refuse(library: Library, path: string): undefined {
  const pointer = library.symbols.__errno_location();
  const errno = pointer === null ? 0 : new Deno.UnsafePointerView(pointer).getInt32();
  if (errno === ENODATA || errno === EOPNOTSUPP) return undefined;
  throw new FastboopError({
    kind: "source",
    action: `Read the extended attributes of "${path}"`,
    state: `errno is ${errno}`,
  });
}
