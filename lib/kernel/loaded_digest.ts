import { createHash } from "node:crypto";
import type { LoadedModule } from "./read_modules.ts";

/**
 * One digest of the modules that stage0 gets: SHA-256 over lines of each one's SHA-256 and file name, in load
 * order. Undefined for none. It stands for the modules of a root file system, all of which nobody reads.
 */
export function loadedDigest(loaded: readonly LoadedModule[]): string | undefined {
  if (loaded.length === 0) return undefined;
  const whole = createHash("sha256");
  for (const { fileName, bytes } of loaded) {
    whole.update(`${createHash("sha256").update(bytes).digest("hex")} ${fileName}\n`);
  }
  return whole.digest("hex");
}
