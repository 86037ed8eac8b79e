// The committed binaries: their sums, what they are, and that these sources make exactly these bytes.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  buildStage0,
  describeTools,
  ensureArm64Musl,
  findArm64Musl,
  MAX_BINARY_BYTES,
  missingTools,
  STAGE0_ARCHES,
} from "../../stage0/build.ts";

const PREBUILT = new URL("../../stage0/prebuilt/", import.meta.url).pathname;
/** e_machine of the ELF header: EM_X86_64 and EM_AARCH64. */
const MACHINE = { x86_64: 62, aarch64: 183 };

/** The same bytes can only be asked of the same compiler and libc. */
const canRebuild = await (async () => {
  if ((await missingTools(STAGE0_ARCHES)).length > 0) return false;
  // Where all tools are installed the one that is fetched may not be missing either.
  if (!await (Deno.env.get("CI") ? ensureArm64Musl() : findArm64Musl())) return false;
  return await describeTools() === await Deno.readTextFile(`${PREBUILT}TOOLS`);
})();

Deno.test("SHA256SUMS matches the prebuilt binaries", async () => {
  const lines = (await Deno.readTextFile(`${PREBUILT}SHA256SUMS`)).trim().split("\n");
  assert.deepEqual(
    lines.map((line) => line.split("  ")[1]),
    STAGE0_ARCHES.map((a) => `stage0-${a}`),
  );
  for (const line of lines) {
    const [sum, name] = line.split("  ") as [string, string];
    const bytes = await Deno.readFile(`${PREBUILT}${name}`);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), sum, name);
  }
});

Deno.test("the prebuilt binaries are small static executables of their architecture", async () => {
  for (const arch of STAGE0_ARCHES) {
    const bytes = await Deno.readFile(`${PREBUILT}stage0-${arch}`);
    const view = new DataView(bytes.buffer);
    assert.ok(bytes.length <= MAX_BINARY_BYTES, `${arch}: ${bytes.length} bytes`);
    assert.equal(view.getUint32(0), 0x7f454c46);
    assert.equal(view.getUint16(16, true), 2, "ET_EXEC");
    assert.equal(view.getUint16(18, true), MACHINE[arch]);
    const segmentsOffset = Number(view.getBigUint64(32, true));
    for (let i = 0; i < view.getUint16(56, true); i++) {
      const type = view.getUint32(segmentsOffset + 56 * i, true);
      assert.ok(type !== 2 && type !== 3, `${arch} needs a dynamic loader`);
    }
  }
});

for (const arch of STAGE0_ARCHES) {
  Deno.test({
    name: `buildStage0() makes the committed bytes for ${arch}`,
    ignore: !canRebuild,
    fn: async () => {
      const directory = await Deno.makeTempDir({ prefix: "fastboop-stage0-build-" });
      try {
        await buildStage0(arch, `${directory}/stage0`);
        const committed = await Deno.readFile(`${PREBUILT}stage0-${arch}`);
        const built = await Deno.readFile(`${directory}/stage0`);
        const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
        assert.equal(digest(built), digest(committed), "run: deno task stage0");
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}
