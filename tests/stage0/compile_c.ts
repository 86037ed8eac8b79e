/** stage0's C, compiled for this machine with the sanitizers. */
import assert from "node:assert/strict";

const ROOM = new URL("../../stage0/", import.meta.url).pathname;
const FLAGS =
  "-std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all";

export const hasCompiler: boolean = await (async () => {
  try {
    return (await new Deno.Command("cc", { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
})();

/** `sources` are paths inside stage0/. Runs `use` with the program, which is gone afterwards. */
export async function withProgram(
  sources: readonly string[],
  use: (program: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "fastboop-stage0-c-" });
  const program = `${directory}/driver`;
  try {
    const { success, stderr } = await new Deno.Command("cc", {
      args: [...FLAGS.split(" "), ...sources, "-o", program],
      cwd: ROOM,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    await use(program);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
