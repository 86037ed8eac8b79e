import type { CommandOption } from "./command.ts";

/** Where a verb takes modules from; modules_source.ts opens it. */
export const MODULES_PLACE: readonly CommandOption[] = [
  { flags: "--modules-dir <dir>", text: "directory of one release: /usr/lib/modules/RELEASE" },
  {
    flags: "--kernel <dir>",
    text: "the modules of this build tree instead; a bare --kernel is --kernel=.",
  },
  { flags: "--rootfs <image>", text: "those of this root image, as path or URL, or directory" },
  { flags: "--release <release>", text: "which, when the root file system has several" },
];
