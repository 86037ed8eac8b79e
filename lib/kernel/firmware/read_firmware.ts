/** Planned firmware as members of an initramfs. */
import type { CpioEntry } from "../../filesystems/cpio/entry.ts";
import { readTreeFile } from "../read_tree_file.ts";
import type { FirmwareRoot } from "./find_firmware.ts";
import { firmwarePlace } from "./firmware_place.ts";
import type { FirmwarePlan } from "./plan_firmware.ts";

const MAX_FILE_BYTES = 256 << 20;

/**
 * Members below `<prefix>/firmware`, as they are stored: a kernel that is to load `.xz` or `.zst` needs
 * CONFIG_FW_LOADER_COMPRESS, which those that bring such files have.
 *
 * @param prefix `lib`, where the kernel looks.
 * @throws {FastboopError} `limit` for a file above 256 MiB; what the tree throws.
 */
export async function readFirmware(
  root: Pick<FirmwareRoot, "tree" | "directory">,
  plan: FirmwarePlan,
  options: { prefix: string; signal?: AbortSignal },
): Promise<CpioEntry[]> {
  const members: CpioEntry[] = [];
  for (const { path, entry } of plan.entries) {
    const target = firmwarePlace(path, root.directory, options.prefix);
    const isLink = entry.kind === "symlink";
    const data = isLink
      ? new TextEncoder().encode(entry.linkTarget)
      : await readTreeFile(root.tree, path, MAX_FILE_BYTES, { ...options, entry });
    members.push({ path: target, mode: isLink ? 0o120777 : 0o100644, data });
  }
  return members;
}
