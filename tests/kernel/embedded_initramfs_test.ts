import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { concat } from "../../lib/bytes/concat.ts";
import { encodeCpio } from "../../lib/filesystems/cpio/encode_cpio.ts";
import { embeddedInitramfs } from "../../lib/kernel/embedded_initramfs.ts";

function archive(...paths: string[]): Uint8Array<ArrayBuffer> {
  return concat(
    encodeCpio(paths.map((path) => ({ path, mode: 0o100644, data: new Uint8Array(3) }))),
  );
}

Deno.test("embeddedInitramfs() finds the larger archive, whatever size of one lies right before it", () => {
  const sizes = new Set<number>();
  for (let length = 1; sizes.size < 4; length++) {
    const first = gzipSync(archive("a".repeat(length)));
    sizes.add(first.length % 4);
    const gap = new Uint8Array((4 - first.length % 4) % 4);
    for (const second of [archive("b", "c"), gzipSync(archive("b", "c"))]) {
      const kernel = concat([new Uint8Array(64), first, gap, second, new Uint8Array(64)]);
      const paths = embeddedInitramfs(kernel)?.members.map(({ path }) => path);
      assert.deepEqual(paths, ["b", "c"], `the first one has ${first.length} bytes`);
    }
  }
});

Deno.test("embeddedInitramfs() finds none where there is none", () => {
  assert.equal(embeddedInitramfs(new Uint8Array(4096)), undefined);
  assert.equal(embeddedInitramfs(gzipSync(new Uint8Array(4096))), undefined);
});
