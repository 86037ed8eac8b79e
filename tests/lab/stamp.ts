import { createHash } from "node:crypto";

/** One digest over all inputs of something the lab builds. */
export function digestOf(inputs: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const input of inputs) hash.update(input).update("\0");
  return hash.digest("hex");
}

/**
 * Builds `target` unless its stamp says it was built from the same inputs. The stamp lies beside it
 * and is written last, so that an interrupted build is done again.
 */
export async function buildOnce(
  target: string,
  digest: string,
  build: () => Promise<void>,
): Promise<void> {
  const stamp = `${target}.stamp`;
  const former = await Deno.readTextFile(stamp).catch(() => "");
  if (former === digest) return;
  await Deno.remove(stamp).catch(() => {});
  await build();
  await Deno.writeTextFile(stamp, digest);
}
