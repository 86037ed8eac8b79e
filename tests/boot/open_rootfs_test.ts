import assert from "node:assert/strict";
import { openRootfs } from "../../lib/boot/open_rootfs.ts";
import { temporary } from "../kernel/fixture_tree.ts";
import { rootImage } from "../support/boot_inputs.ts";
import { ofKind } from "../support/expect_kind.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const never = new AbortController().signal;

Deno.test("openRootfs() opens a path and tells what is on it", async () => {
  await using dir = await temporary();
  await Deno.writeFile(`${dir.path}/root`, rootImage());
  const progress = new RecordedProgress();
  const root = await openRootfs(`${dir.path}/root`, progress, never);
  await using _reader = root.reader;
  assert.deepEqual([root.filesystem, root.blockSizeBytes], ["erofs", 4096]);
  assert.deepEqual(progress.lines, ["phase Opening the root image", "note erofs, 1 MiB"]);
});

Deno.test("openRootfs() closes what holds no root file system", async () => {
  await using dir = await temporary();
  await Deno.writeFile(`${dir.path}/root`, new Uint8Array(4096));
  const open = openRootfs(`${dir.path}/root`, new RecordedProgress(), never);
  // Deno's own resource check fails this test when the file stays open.
  await assert.rejects(open, ofKind("unsupported", /neither an EROFS nor an ext4/));
});

Deno.test("openRootfs() warns about a server without a strong validator", async () => {
  await using web = new FaultyHttp(rootImage());
  web.etag = null;
  const progress = new RecordedProgress();
  const root = await openRootfs(web.url(), progress, never);
  await root.reader[Symbol.asyncDispose]();
  assert.equal(progress.count(/^warn .*no strong ETag/), 1);
});

Deno.test("openRootfs() stops a silent server's opening with the signal", async () => {
  await using web = new FaultyHttp(rootImage());
  const stop = new AbortController();
  web.onRequest = () => (stop.abort(), { silent: true });
  const open = openRootfs(web.url(), new RecordedProgress(), stop.signal);
  await assert.rejects(open, ofKind("cancelled"));
});
