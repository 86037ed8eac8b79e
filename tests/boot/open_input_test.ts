import assert from "node:assert/strict";
import { openInput } from "../../lib/boot/open_input.ts";
import { temporary } from "../kernel/fixture_tree.ts";
import { rootImage } from "../support/boot_inputs.ts";
import { ofKind } from "../support/expect_kind.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const never = new AbortController().signal;

const open = (rootfs: string, progress: RecordedProgress, signal = never) =>
  openInput({ rootfs }, { env: {}, progress, signal });

Deno.test("openInput() opens a path and tells what is on it", async () => {
  await using dir = await temporary();
  await Deno.writeFile(`${dir.path}/root`, rootImage());
  const progress = new RecordedProgress();
  await using input = await open(`${dir.path}/root`, progress);
  const { filesystem, blockSizeBytes } = input.rootfs;
  assert.deepEqual([filesystem, blockSizeBytes], ["erofs", 4096]);
  assert.deepEqual(progress.lines, ["phase Opening the root image", "note erofs, 1 MiB"]);
});

Deno.test("openInput() closes what holds no root file system", async () => {
  await using dir = await temporary();
  await Deno.writeFile(`${dir.path}/root`, new Uint8Array(4096));
  const opening = open(`${dir.path}/root`, new RecordedProgress());
  // Deno's own resource check fails this test when the file stays open.
  await assert.rejects(opening, ofKind("unsupported", /nothing that is recognised/));
});

Deno.test("openInput() warns about a server without a strong validator", async () => {
  await using web = new FaultyHttp(rootImage());
  web.etag = null;
  const progress = new RecordedProgress();
  await using _input = await open(web.url(), progress);
  assert.equal(progress.count(/^warn .*no strong ETag/), 1);
});

Deno.test("openInput() stops a silent server's opening with the signal", async () => {
  await using web = new FaultyHttp(rootImage());
  const stop = new AbortController();
  web.onRequest = () => (stop.abort(), { silent: true });
  const opening = open(web.url(), new RecordedProgress(), stop.signal);
  await assert.rejects(opening, ofKind("cancelled"));
});
