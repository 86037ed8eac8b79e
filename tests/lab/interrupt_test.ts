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
  const mark = { FASTBOOP_LAB_MARK: crypto.randomUUID() };
  const word = `FASTBOOP_LAB_MARK=${mark.FASTBOOP_LAB_MARK}`;
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "busybox-merged",
    phone: { words: ["lab.run=read"] },
    args: ["--modules=make"],
    env: mark,
  });
  const filesLeft = () => runCommand(["find", session.temporary, "-mindepth", "1"]);
  await session.waitForUserspace();
  assert.equal((await processesWith(word)).length, 1);
  assert.notEqual(await filesLeft(), "", "the modules of the run lie somewhere");
  session.host.signal("SIGINT");
  assert.equal(await session.host.waitForEnd(10_000), 130, session.host.output.text);
  assert.deepEqual(await processesWith(word), []);
  assert.equal(await filesLeft(), "");
  // The phone keeps waiting for a host: no read failed.
  assert.doesNotMatch(session.phone.console.text, /I\/O error/);
});
