import assert from "node:assert/strict";
import { packProgram } from "../support/pack_program.ts";
import { BootSession } from "./boot_session.ts";

Deno.test("one packed file boots the phone where there is neither deno nor a package", async () => {
  const folder = await Deno.makeTempDir({ prefix: "fastboop-pack-" });
  try {
    const { path, env } = await packProgram(folder);
    await using session = await BootSession.start({
      arch: "x86_64",
      root: "busybox-merged",
      phone: { words: ["lab.run=read"] },
      program: path,
      env,
    });
    const { release, modules } = await session.waitForUserspace();
    assert.equal(release, session.lab.release);
    assert.ok(modules.size > 0);
    session.host.signal("SIGINT");
    assert.equal(await session.host.waitForEnd(10_000), 130, session.host.output.text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
