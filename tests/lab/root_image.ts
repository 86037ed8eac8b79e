/** Root file systems for the virtual phone, as EROFS images made by mkfs.erofs. */
import { runCommand } from "./run_command.ts";

/** Text files that the roots are made of. */
export const ROOT_FILES = `${import.meta.dirname}/roots`;

/**
 * Makes `image` from a directory. Times, owners' order and the UUID are fixed: the same directory gives
 * the same bytes.
 */
export async function makeErofs(
  directory: string,
  image: string,
  options: { compressed: boolean; allRoot: boolean },
): Promise<void> {
  const part = `${image}.part`;
  await runCommand([
    "mkfs.erofs",
    ...["-T0", "-U", "6c616200-0000-4000-8000-000000000000"],
    ...(options.compressed ? ["-zlz4"] : []),
    ...(options.allRoot ? ["--all-root"] : []),
    ...[part, directory],
  ]);
  await Deno.rename(part, image);
}
