import assert from "node:assert/strict";
import { RunDirectory } from "../../lib/kernel/run_directory.ts";
import { expectError } from "./expect_error.ts";
import { temporary } from "./fixture_tree.ts";

async function names(dir: string): Promise<string[]> {
  const found = [];
  for await (const { name } of Deno.readDir(dir)) found.push(name);
  return found.sort();
}

/** A process id that was in use and is not any more. */
async function deadPid(): Promise<number> {
  const child = new Deno.Command("true").spawn();
  await child.status;
  return child.pid;
}

Deno.test("RunDirectory is private and goes away with its block", async () => {
  await using parent = await temporary();
  {
    await using run = await RunDirectory.create({ parentDir: parent.path });
    assert.equal((await Deno.stat(run.path)).mode! & 0o777, 0o700);
    await Deno.mkdir(`${run.path}/a/b`, { recursive: true });
  }
  assert.deepEqual(await names(parent.path), []);
});

Deno.test("RunDirectory.keep() leaves it for a look", async () => {
  await using parent = await temporary();
  let path;
  {
    await using run = await RunDirectory.create({ parentDir: parent.path });
    await run.keep();
    assert.ok(run.isKept);
    path = run.path;
  }
  assert.deepEqual(await names(path), ["KEPT"]);
});

Deno.test("RunDirectory.create() sweeps what dead runs left, and nothing else", async () => {
  await using parent = await temporary();
  const dead = await deadPid();
  const make = (name: string) => Deno.mkdir(`${parent.path}/${name}`);
  await make(`fastboop-run-${dead}-left`);
  await make(`fastboop-run-${dead}-kept`);
  await Deno.writeTextFile(`${parent.path}/fastboop-run-${dead}-kept/KEPT`, "");
  await make(`fastboop-run-${dead}-old`);
  await Deno.writeTextFile(`${parent.path}/fastboop-run-${dead}-old/KEPT`, "");
  await Deno.utime(`${parent.path}/fastboop-run-${dead}-old`, 1_700_000_000, 1_700_000_000);
  await make("fastboop-run-1-lives");
  await make("something-else");
  await Deno.symlink(parent.path, `${parent.path}/fastboop-run-${dead}-link`);
  {
    await using _run = await RunDirectory.create({ parentDir: parent.path });
  }
  assert.deepEqual(await names(parent.path), [
    "fastboop-run-1-lives",
    `fastboop-run-${dead}-kept`,
    `fastboop-run-${dead}-link`,
    "something-else",
  ]);
});

Deno.test("RunDirectory.create() names TMPDIR when it cannot make one", async () => {
  await expectError(
    "permission",
    () => RunDirectory.create({ parentDir: "/proc/no/such" }),
    "TMPDIR",
  );
});
