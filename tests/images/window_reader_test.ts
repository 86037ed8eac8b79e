import assert from "node:assert/strict";
import { WindowReader } from "../../lib/images/window_reader.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { ofKind } from "../support/expect_kind.ts";

class Disposable extends MemoryReader {
  disposed = 0;
  override [Symbol.asyncDispose](): Promise<void> {
    this.disposed++;
    return Promise.resolve();
  }
}

const source = () => new Disposable(Uint8Array.from({ length: 10 }, (_, i) => i), "ten");

Deno.test("WindowReader reads its range and nothing beside it", async () => {
  const window = new WindowReader(source(), { offsetBytes: 3, sizeBytes: 4 });
  assert.equal(window.identity, "window:(ten):offset=3:size=4");
  const into = new Uint8Array(4);
  await window.readAt(0, into);
  assert.deepEqual([...into], [3, 4, 5, 6]);
  await assert.rejects(window.readAt(1, into), ofKind("limit"));
  await assert.rejects(window.readAt(-1, new Uint8Array(1)), ofKind("limit"));
  const stop = AbortSignal.abort();
  await assert.rejects(window.readAt(0, into, { signal: stop }), ofKind("cancelled"));
});

Deno.test("WindowReader refuses a range that is not inside its source", () => {
  for (const [offsetBytes, sizeBytes] of [[0, 11], [11, 0], [-1, 2], [5, 6], [0.5, 1]]) {
    const make = () =>
      new WindowReader(source(), { offsetBytes: offsetBytes!, sizeBytes: sizeBytes! });
    assert.throws(make, ofKind("limit"));
  }
});

Deno.test("WindowReader disposes its source when it owns it", async () => {
  const kept = source();
  await new WindowReader(kept, { offsetBytes: 0, sizeBytes: 1 })[Symbol.asyncDispose]();
  assert.equal(kept.disposed, 0);
  await new WindowReader(kept, { offsetBytes: 0, sizeBytes: 1, owns: true })[Symbol.asyncDispose]();
  assert.equal(kept.disposed, 1);
});
