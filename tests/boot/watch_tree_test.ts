import assert from "node:assert/strict";
import { treeProbe } from "../../lib/boot/tree_probe.ts";
import { type TreeLook, type TreeProbe, watchTree } from "../../lib/boot/watch_tree.ts";
import { findKernelTree } from "../../lib/kernel/find_tree.ts";
import { bootInputs } from "../support/boot_inputs.ts";
import { ScriptedClock } from "../support/scripted_clock.ts";
import { setTime, writeFiles } from "../kernel/fixture_tree.ts";

/** A tree that goes through the given looks, one a second; the last one stays. */
class ScriptedTree implements TreeProbe {
  second = 0;
  readonly looks: boolean[] = [];
  checks = 0;
  constructor(readonly states: TreeLook[], readonly problems: (string | undefined)[] = []) {}
  look(deep: boolean): Promise<TreeLook> {
    this.looks.push(deep);
    const { top, modules } = this.now;
    return Promise.resolve(deep ? { top, modules: modules! } : { top });
  }
  notReady(): Promise<string | undefined> {
    return Promise.resolve(this.problems[this.checks++]);
  }
  get now(): TreeLook {
    return this.states[Math.min(this.second, this.states.length - 1)]!;
  }
}

const state = (top: string, modules = "m"): TreeLook => ({ top, modules });

/** Watches `tree` on a clock that runs as fast as it is asked; a second is a state further. */
async function watch(tree: ScriptedTree, since: TreeLook, seconds: number) {
  const told: string[] = [];
  const stop = new AbortController();
  const clock = new ScriptedClock((delayMs) => {
    assert.equal(delayMs, 1000);
    if (++tree.second > seconds) stop.abort(new Error("time is over"));
    return true;
  });
  const found = await watchTree(tree, since, {
    ...{ clock, signal: stop.signal },
    onChange: () => told.push("changed"),
    onNotReady: (why) => told.push(why),
  }).catch((error) => (error as Error).message);
  return { found, told, second: tree.second };
}

Deno.test("watchTree() waits while nothing changes, looking at all modules every fourth time", async () => {
  const tree = new ScriptedTree([state("a")]);
  const { found, told } = await watch(tree, state("a"), 8);
  assert.equal(found, "time is over");
  assert.deepEqual(told, []);
  assert.deepEqual(tree.looks.slice(0, 8).map(Number), [0, 0, 0, 1, 0, 0, 0, 1]);
  assert.equal(tree.checks, 0);
});

Deno.test("watchTree() takes a build two seconds after its last change", async () => {
  const tree = new ScriptedTree([state("a"), state("b"), state("c"), state("c"), state("d")]);
  const { found, told, second } = await watch(tree, state("a"), 30);
  assert.deepEqual(found, state("d"));
  assert.deepEqual(told, ["changed"]);
  assert.equal(second, 6);
  assert.equal(tree.checks, 1);
});

Deno.test("watchTree() sees a module that alone was built anew", async () => {
  const tree = new ScriptedTree([state("a"), state("a", "other")]);
  const { found } = await watch(tree, state("a"), 30);
  assert.deepEqual(found, state("a", "other"));
});

Deno.test("watchTree() does not take a build that is quiet but half finished", async () => {
  const half = Array.from({ length: 10 }, () => state("half"));
  const tree = new ScriptedTree([state("a"), ...half, state("whole")], ["vmlinux is newer"]);
  const { found, told } = await watch(tree, state("a"), 30);
  assert.deepEqual(found, state("whole"));
  assert.deepEqual(told, ["changed", "vmlinux is newer"]);
  assert.equal(tree.checks, 2, "asked once for each state, not every second");
});

Deno.test("watchTree() goes on when the tree changes during the checks", async () => {
  const tree = new ScriptedTree([state("a"), state("b"), state("b"), state("b"), state("c")]);
  const ready = tree.notReady.bind(tree);
  tree.notReady = async () => {
    if (tree.checks === 0) tree.second = 4;
    return await ready();
  };
  const { found } = await watch(tree, state("a"), 30);
  assert.deepEqual(found, state("c"));
});

Deno.test("watchTree() takes nothing when the tree looks again as it did", async () => {
  const tree = new ScriptedTree([state("a"), state("b"), state("a")]);
  const { found, told } = await watch(tree, state("a"), 20);
  assert.equal(found, "time is over");
  assert.deepEqual(told, ["changed"]);
  assert.equal(tree.checks, 0);
});

Deno.test("treeProbe() sees each file that a build renews, and says what is not ready", async () => {
  await using inputs = await bootInputs();
  const find = () => findKernelTree(inputs.tree, { env: inputs.env });
  const dtbs: string[] = [];
  const probe = treeProbe(await find(), find, () => dtbs[0]);
  let before = await probe.look(true);
  assert.deepEqual(await probe.look(true), before);
  assert.deepEqual(await probe.look(false), { top: before.top });
  const renewed = [
    ...[".config", "modules.order", "include/config/kernel.release", "vmlinux"],
    ...["arch/x86/boot/bzImage", "fs/erofs/erofs.ko", "lib/libcrc32c.ko"],
  ];
  for (const [i, name] of renewed.entries()) {
    await setTime(`${inputs.tree}/${name}`, 500 + i);
    const now = await probe.look(true);
    assert.notDeepEqual(now, before, name);
    assert.equal(now.top === before.top, name.endsWith(".ko"), name);
    before = now;
  }
  assert.equal(await probe.notReady(), undefined);
  await setTime(`${inputs.tree}/vmlinux`, 900);
  assert.match((await probe.notReady())!, /vmlinux is newer/);
  await writeFiles(inputs.tree, { "arch/x86/boot/bzImage": null });
  assert.notDeepEqual(await probe.look(false), { top: before.top });
  await writeFiles(inputs.tree, { "board.dtb": "" });
  dtbs.push(`${inputs.tree}/board.dtb`);
  const { dtb } = await probe.look(false);
  await setTime(dtbs[0]!, 900);
  assert.notEqual((await probe.look(false)).dtb, dtb);
});
