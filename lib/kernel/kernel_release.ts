import { FastboopError } from "../errors/errors.ts";

/** `uname -r` holds at most 64 bytes (include/uapi/linux/utsname.h, __NEW_UTS_LEN). */
const RELEASE = /^[A-Za-z0-9._+~-]{1,64}$/;

/**
 * A kernel release such as `6.12.3-lab+`, checked before it becomes part of a path.
 *
 * @param source where the text came from, for the error.
 * @throws {FastboopError} `tree` when it is no release.
 */
export function parseKernelRelease(text: string, source: string): string {
  const release = text.trim();
  if (RELEASE.test(release) && !/^\.+$/.test(release)) return release;
  throw new FastboopError({
    kind: "tree",
    action: `Read the kernel release from ${source}`,
    state: release === ""
      ? "it is empty"
      : `"${release.slice(0, 80)}" is no release: 1 to 64 of A-Z a-z 0-9 . _ + ~ - are allowed`,
    hint: "Build the kernel again, and look at CONFIG_LOCALVERSION and the localversion* files",
  });
}
