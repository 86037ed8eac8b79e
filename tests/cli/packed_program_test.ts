import assert from "node:assert/strict";
import { VERSION } from "../../lib/cli/version.ts";
import { type PackedProgram, packProgram } from "../support/pack_program.ts";

async function start({ path, env }: PackedProgram, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(path, { args, env, clearEnv: true })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function unpacked({ env }: PackedProgram): string[] {
  return [...Deno.readDirSync(`${env.HOME}/.cache/fastboop`)].map(({ name }) => name);
}

Deno.test({
  name: "a packed program unpacks itself once, whoever starts it first, and only when it is whole",
  ignore: Deno.build.os === "windows",
  async fn(t) {
    const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "fastboop-pack-" }));
    try {
      const program = await packProgram(folder);
      await t.step("a damaged one runs nothing and leaves nothing", async () => {
        const bytes = await Deno.readFile(program.path);
        bytes[bytes.length >> 1]! ^= 1;
        const path = `${folder}/damaged`;
        await Deno.writeFile(path, bytes, { mode: 0o755 });
        const ended = await start({ ...program, path }, "--version");
        assert.notEqual(ended.code, 0);
        assert.equal(ended.stdout, "");
        assert.deepEqual(unpacked(program), []);
      });
      await t.step("three at once", async () => {
        const some = await Promise.all([1, 2, 3].map(() => start(program, "--version")));
        for (const ended of some) {
          assert.deepEqual(ended, { code: 0, stdout: VERSION, stderr: "" });
        }
        assert.equal(unpacked(program).length, 1);
      });
      await t.step("the image worker and the USB library are inside", async () => {
        await Deno.mkdir(`${folder}/tree`);
        await Deno.writeTextFile(`${folder}/tree/name`, "content");
        const image = `${folder}/image`;
        assert.equal(
          (await start(program, "image", "ext4", `${folder}/tree`, "-o", image)).code,
          0,
        );
        const shown = await start(program, "image", "cat", image, "name");
        assert.deepEqual(shown, { code: 0, stdout: "content", stderr: "" });
        const { code, stderr } = await start(program, "detect");
        // With or without a phone, and on a machine without USB: anything but a fault of the program.
        assert.ok([0, 3, 6, 7].includes(code), `${code}: ${stderr}`);
        assert.doesNotMatch(stderr, /module|addon|cached/i);
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
