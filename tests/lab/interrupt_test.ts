import assert from "node:assert/strict";
import { BootSession } from "./boot_session.ts";
import { runCommand } from "./run_command.ts";

/** Processes whose environment holds `word`. */
async function processesWith(word: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    const text = await Deno.readTextFile(`/proc/${entry.name}/environ`).catch(() => "");
    if (text.split("\0").includes(word)) found.push(entry.name);
  }
  return found;
}

Deno.test("Ctrl-C while serving ends fastboop soon and leaves nothing behind", async () => {
  const directory = await Deno.makeTempDir({ prefix: "fastboop-lab-tmp-" });
  const mark = `FASTBOOP_LAB_MARK=${crypto.randomUUID()}`;
  try {
    await using session = await BootSession.start({
      arch: "x86_64",
      root: "busybox-merged",
      phone: { words: ["lab.run=read"] },
      env: { TMPDIR: directory, [mark.split("=")[0]!]: mark.split("=")[1]! },
    });
    await session.waitForUserspace();
    assert.equal((await processesWith(mark)).length, 1);
    session.host.signal("SIGINT");
    assert.equal(await session.host.waitForEnd(10_000), 130, session.host.output.text);
    assert.deepEqual(await processesWith(mark), []);
    assert.equal(await runCommand(["find", directory, "-mindepth", "1"]), "");
    // The phone keeps waiting for a host: no read failed.
    assert.doesNotMatch(session.phone.console.text, /I\/O error/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
