import assert from "node:assert/strict";
import { PlacedTree } from "../../lib/filesystems/placed_tree.ts";
import { directory, file, MemoryTree, symlink } from "./memory_tree.ts";

function placed(): PlacedTree {
  const inner = new MemoryTree(directory({
    "build": symlink("/usr/src/linux"),
    "source": symlink("/usr/src/linux"),
    "kernel": directory({ "build": file("kept", { mode: 0o600, uid: 1000 }) }, { mode: 0o700 }),
    "modules.dep": file("dep", { mode: 0o640, xattrs: new Map([["user.a", new Uint8Array(1)]]) }),
    "link": symlink("modules.dep"),
  }, { mtimeSeconds: 42, uid: 7 }));
  return new PlacedTree(inner, { at: "usr/lib/modules/6.1", leaveOut: ["build", "source"] });
}

Deno.test("PlacedTree shows the tree at its place, installed by root", async () => {
  const tree = placed();
  for (
    const [path, name] of [["", "usr"], ["usr", "lib"], ["usr/lib", "modules"], [
      "usr/lib/modules",
      "6.1",
    ]]
  ) {
    const [entry, ...others] = await tree.list(path!);
    assert.equal(entry!.name, name);
    assert.deepEqual(others, []);
    assert.deepEqual([entry!.kind, entry!.mode, entry!.uid, entry!.mtimeSeconds], [
      "directory",
      0o755,
      0,
      42,
    ]);
    assert.deepEqual(await tree.stat(path === "" ? name! : `${path}/${name}`), entry);
  }
  const entries = await tree.list("usr/lib/modules/6.1");
  assert.deepEqual(entries.map((e) => [e.name, e.mode, e.uid, e.gid]), [
    ["kernel", 0o755, 0, 0],
    ["link", 0o777, 0, 0],
    ["modules.dep", 0o644, 0, 0],
  ]);
  assert.equal(entries[2]!.xattrs, undefined);
  const [kept] = await tree.list("usr/lib/modules/6.1/kernel");
  assert.equal(kept!.name, "build");
  const into = new Uint8Array(4);
  await (await tree.open("usr/lib/modules/6.1/kernel/build", kept)).readAt(0, into);
  assert.equal(new TextDecoder().decode(into), "kept");
});

Deno.test("PlacedTree has nothing elsewhere and nothing that is left out", async () => {
  const tree = placed();
  for (
    const path of [
      "etc",
      "usr/lib/modules/6.10",
      "usr/lib/modules/6.1/build",
      "usr/lib/modules/6.1/build/x",
    ]
  ) {
    assert.equal(await tree.stat(path), undefined, path);
    await assert.rejects(tree.open(path), { kind: "not-found" }, path);
    await assert.rejects(tree.list(path), { kind: "not-found" }, path);
  }
  for (const at of ["", "/usr", "usr/", "usr//lib", "../x", "a/./b"]) {
    assert.throws(() => new PlacedTree(new MemoryTree(directory()), { at }), { kind: "usage" }, at);
  }
});
