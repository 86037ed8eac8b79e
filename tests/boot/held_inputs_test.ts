import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { heldInputs } from "../../lib/boot/held_inputs.ts";
import { encodeKernel, KERNEL_ENCODINGS } from "../../lib/bootimg/kernel_encoding.ts";
import { concat } from "../../lib/bytes/concat.ts";
import { arm64Image } from "../kernel/fixture_tree.ts";

const NONE = new Uint8Array();
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A device tree by its header, and with the magic inside. */
function blob(): Uint8Array {
  const bytes = new Uint8Array(200);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xd00dfeed);
  view.setUint32(4, bytes.length);
  view.setUint32(100, 0xd00dfeed);
  return bytes;
}

Deno.test("heldInputs() undoes every encoding of kernel and device tree", () => {
  const [image, tree] = [arm64Image(), blob()];
  for (const encoding of KERNEL_ENCODINGS) {
    const kernel = concat(encodeKernel(image, tree, encoding));
    const isAppended = encoding.endsWith("+dtb");
    const held = heldInputs({ kernel, dtb: isAppended ? NONE : tree });
    assert.deepEqual(held, { kernel: sha256(image), dtb: sha256(tree) }, encoding);
  }
  const alone = heldInputs({ kernel: image, dtb: NONE });
  assert.deepEqual(alone, { kernel: sha256(image) });
  assert.deepEqual(heldInputs({ kernel: NONE, dtb: NONE }), {});
});

Deno.test("heldInputs() ends in a typed error for a damaged stream", () => {
  const kernel = new Uint8Array(gzipSync(arm64Image()));
  kernel[40]! ^= 0xff;
  assert.throws(() => heldInputs({ kernel, dtb: NONE }), { kind: "corrupt" });
});
