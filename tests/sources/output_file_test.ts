import assert from "node:assert/strict";
import { openOutputFile } from "../../lib/sources/output_file.ts";

async function withTempDir(body: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "fastboop-test-" });
  try {
    await body(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("openOutputFile() shows nothing before commit and no other name after", async () => {
  await withTempDir(async (path) => {
    Deno.writeTextFileSync(`${path}/out`, "old");
    {
      await using output = openOutputFile(`${path}/out`);
      await output.write(Uint8Array.of(1, 2));
      output.skip!(3);
      await output.write(Uint8Array.of(4));
      output.skip!(2);
      assert.equal(Deno.readTextFileSync(`${path}/out`), "old");
      output.commit();
    }
    assert.deepEqual([...Deno.readFileSync(`${path}/out`)], [1, 2, 0, 0, 0, 4, 0, 0]);
    assert.deepEqual(names(path), ["out"]);
  });
});

Deno.test("openOutputFile() removes the partial file when it was not committed", async () => {
  await withTempDir(async (path) => {
    await assert.rejects(async () => {
      await using output = openOutputFile(`${path}/out`);
      await output.write(Uint8Array.of(1));
      assert.equal(names(path).length, 1);
      throw new Error("stop");
    }, /stop/);
    assert.deepEqual(names(path), []);
  });
});

Deno.test("openOutputFile() tells of the commit that failed when its directory is gone", async () => {
  await withTempDir(async (path) => {
    Deno.mkdirSync(`${path}/dir`);
    await assert.rejects(async () => {
      await using output = openOutputFile(`${path}/dir/out`);
      await output.write(Uint8Array.of(1));
      Deno.removeSync(`${path}/dir`, { recursive: true });
      output.commit();
    }, { name: "FastboopError", kind: "not-found" });
  });
});

Deno.test("openOutputFile() writes through links and into FIFOs instead of replacing them", async () => {
  await withTempDir(async (path) => {
    Deno.writeTextFileSync(`${path}/real`, "old");
    Deno.symlinkSync("real", `${path}/link`);
    {
      await using output = openOutputFile(`${path}/link`);
      await output.write(Uint8Array.of(65));
      output.commit();
    }
    assert.ok(Deno.lstatSync(`${path}/link`).isSymlink);
    assert.equal(Deno.readTextFileSync(`${path}/real`), "A");
    new Deno.Command("mkfifo", { args: [`${path}/fifo`] }).outputSync();
    const reader = new Deno.Command("cat", { args: [`${path}/fifo`], stdout: "piped" }).spawn();
    {
      await using output = openOutputFile(`${path}/fifo`);
      assert.equal(output.skip, undefined);
      await output.write(Uint8Array.of(66, 67));
      output.commit();
    }
    assert.equal(new TextDecoder().decode((await reader.output()).stdout), "BC");
    assert.ok(Deno.lstatSync(`${path}/fifo`).isFifo);
  });
});

Deno.test("openOutputFile() says what is wrong with its path", async () => {
  await withTempDir((path) => {
    assert.throws(() => openOutputFile(path), { kind: "usage" });
    assert.throws(() => openOutputFile(`${path}/none/out`), { kind: "not-found" });
    return Promise.resolve();
  });
});
