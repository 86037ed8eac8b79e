import assert from "node:assert/strict";
import { runMake } from "../../lib/kernel/run_make.ts";
import { expectError } from "./expect_error.ts";
import { fakeMake, temporary } from "./fixture_tree.ts";
import { hasProgram } from "./real_trees.ts";

const base = { action: "Do it", deadlineMs: 30_000 };

/** Whether a process lives; a zombie does not. */
async function lives(pid: number): Promise<boolean> {
  try {
    return !/^\d+ \(.*\) Z/.test(await Deno.readTextFile(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

/** Waits until a file has content: how a fake make says that it got so far. */
async function awaitText(dir: string, name: string): Promise<string> {
  const watcher = Deno.watchFs(dir);
  try {
    const read = () => Deno.readTextFile(`${dir}/${name}`).catch(() => "");
    let text = await read();
    if (!text.endsWith("\n")) {
      for await (const _ of watcher) {
        text = await read();
        if (text.endsWith("\n")) break;
      }
    }
    return text.trim();
  } finally {
    try {
      watcher.close();
    } catch {
      // The loop has closed it.
    }
  }
}

Deno.test("runMake() passes arguments as they are and gives standard output", async () => {
  await using dir = await temporary();
  const env = await fakeMake(`${dir.path}/bin`, 'echo noise >&2; printf "<%s>" "$@"');
  const args = ["-s", "A=$(x) `y`", "b c", "*"];
  assert.equal(await runMake(args, { ...base, env }), "<-s><A=$(x) `y`><b c><*>");
});

Deno.test("runMake() hands only a short environment on", async () => {
  await using dir = await temporary();
  const env = await fakeMake(`${dir.path}/bin`, "env");
  const printed = await runMake([], {
    ...base,
    env: { ...env, HOME: "/h", MAKEFLAGS: "-j9", LD_PRELOAD: "/x.so", KBUILD_OUTPUT: "/o" },
  });
  const names = printed.trim().split("\n").map((line) => line.split("=")[0]);
  assert.deepEqual(names.filter((n) => !["PWD", "_", "SHLVL"].includes(n!)).sort(), [
    "HOME",
    "LC_ALL",
    "PATH",
  ]);
});

Deno.test("runMake() shows the last 20 lines when make exits with 2", async () => {
  await using dir = await temporary();
  const env = await fakeMake(
    `${dir.path}/bin`,
    'i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo "line $i" >&2; done; printf "\\033[31mred\\n"; exit 2',
  );
  const error = await expectError(
    "tree",
    () => runMake(["modules_install"], { ...base, env }),
    "make exited with 2",
    "line 50",
    "\\x1b[31mred",
    "make modules_install",
  );
  assert.equal(error.state.split("\n").length, 21);
  assert.ok(!error.message.includes("line 30\n"));
});

Deno.test("runMake() says how to get make when there is none", async () => {
  await using dir = await temporary();
  const env = { PATH: dir.path };
  await expectError("tree", () => runMake([], { ...base, env }), "no make in PATH", "install make");
});

Deno.test("runMake() ends a make that hangs, with all its children", async () => {
  await using dir = await temporary();
  const env = await fakeMake(
    `${dir.path}/bin`,
    `trap '' TERM; sh -c 'trap "" TERM; echo $$ > ${dir.path}/pid; while :; do sleep 5; done' & wait; wait`,
  );
  await expectError(
    "tree",
    () => runMake([], { ...base, env, deadlineMs: 300 }),
    "not done after 0.3 s",
  );
  const pid = Number(await awaitText(dir.path, "pid"));
  assert.ok(pid > 1 && !await lives(pid), `child ${pid} must be gone`);
});

Deno.test("runMake() stops when it is aborted, with all its children", async () => {
  await using dir = await temporary();
  const env = await fakeMake(
    `${dir.path}/bin`,
    `sh -c 'echo $$ > ${dir.path}/pid; exec sleep 60' & wait`,
  );
  const abort = new AbortController();
  const run = expectError("cancelled", () => runMake([], { ...base, env, signal: abort.signal }));
  const pid = Number(await awaitText(dir.path, "pid"));
  assert.ok(await lives(pid));
  abort.abort();
  await run;
  assert.ok(!await lives(pid));
  await expectError("cancelled", () => runMake([], { ...base, env, signal: abort.signal }));
});

Deno.test({
  name: "runMake() ends make and its recipe when only make may be run",
  ignore: !hasProgram("make"),
  permissions: { run: ["make"], read: true, write: true, env: true },
  fn: async () => {
    await using dir = await temporary();
    await Deno.writeTextFile(
      `${dir.path}/Makefile`,
      "all:\n\t@echo $$$$ > pid.tmp; mv pid.tmp pid; exec sleep 60\n",
    );
    const options = { ...base, env: { PATH: Deno.env.get("PATH") }, deadlineMs: 500 };
    const run = () => runMake(["-C", dir.path], options);
    await expectError("tree", run, "not done after 0.5 s");
    const pid = Number(await Deno.readTextFile(`${dir.path}/pid`));
    assert.ok(pid > 1 && !await lives(pid), `recipe ${pid} must be gone`);
  },
});

Deno.test("runMake() gives a make up that floods", async () => {
  await using dir = await temporary();
  const env = await fakeMake(`${dir.path}/bin`, "exec yes");
  await expectError("tree", () => runMake([], { ...base, env }), "more than 64 MiB");
});

Deno.test("runMake() does not wait for a grandchild that holds the pipes", async () => {
  await using dir = await temporary();
  const env = await fakeMake(
    `${dir.path}/bin`,
    `sh -c 'echo $$ > ${dir.path}/pid; exec sleep 60' & echo done; exit 0`,
  );
  assert.equal(await runMake([], { ...base, env }), "done\n");
  const pid = Number(await awaitText(dir.path, "pid"));
  assert.ok(!await lives(pid), `grandchild ${pid} must be gone`);
});
