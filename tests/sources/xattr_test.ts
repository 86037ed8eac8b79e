import assert from "node:assert/strict";
import { DirectoryTree } from "../../lib/sources/directory.ts";
import { openXattrs } from "../../lib/sources/xattr.ts";

const FFI = Deno.build.os === "linux" &&
  Deno.permissions.querySync({ name: "ffi" }).state === "granted";

/** setxattr through libc, as the foreign writer. */
function setXattr(path: string, name: string, value: Uint8Array<ArrayBuffer>): boolean {
  const libc = Deno.dlopen("libc.so.6", {
    setxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  });
  const encode = (text: string) => new TextEncoder().encode(text + "\0");
  const result = libc.symbols.setxattr(
    encode(path),
    encode(name),
    value,
    BigInt(value.length),
    0,
  );
  libc.close();
  return result === 0;
}

Deno.test({
  name: "openXattrs() reads what setxattr wrote, and the tree carries it",
  ignore: !FFI,
  async fn() {
    const path = await Deno.makeTempDir({ prefix: "fastboop-test-" });
    try {
      Deno.writeTextFileSync(`${path}/f`, "");
      Deno.writeTextFileSync(`${path}/plain`, "");
      assert.ok(
        setXattr(`${path}/f`, "user.note", Uint8Array.of(1, 2, 3)),
        "the file system has none",
      );
      const warnings: string[] = [];
      const readXattrs = openXattrs((text) => warnings.push(text));
      assert.deepEqual(warnings, []);
      await using tree = new DirectoryTree(path, { readXattrs });
      const [f, plain] = await tree.list("");
      assert.deepEqual([...f!.xattrs!].filter(([name]) => name.startsWith("user.")), [
        ["user.note", Uint8Array.of(1, 2, 3)],
      ]);
      assert.equal(plain!.xattrs?.has("user.note") ?? false, false);
      assert.throws(() => readXattrs!(`${path}/none`), { kind: "source" });
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  },
});

Deno.test({
  name: "openXattrs() warns once and asks for nothing without permission",
  permissions: { ffi: false },
  fn() {
    const warnings: string[] = [];
    assert.equal(openXattrs((text) => warnings.push(text)), undefined);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /left out/);
  },
});
