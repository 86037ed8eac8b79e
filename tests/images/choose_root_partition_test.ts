import assert from "node:assert/strict";
import { chooseRootPartition, type RootCandidate } from "../../lib/images/choose_root_partition.ts";
import { hasTool, run } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";

const LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const ROOT_ARM64 = "b921b045-1df0-41c3-af44-4c6f280d3fae";
const USR_ARM64 = "b0e01050-ee5f-4390-949a-9101b17104e9";

type Words = Partial<RootCandidate> & { name?: string; type?: string };

/** Candidates by what is special about each; index is the place. */
function candidates(...words: Words[]): RootCandidate[] {
  return words.map(({ name = "", type = LINUX, filesystem, ...seen }, index) => ({
    partition: {
      index,
      name,
      type,
      partuuid: `uuid-${index}`,
      offsetBytes: 2 ** 20,
      sizeBytes: 3 * 2 ** 20,
    },
    filesystem,
    ...seen,
  }));
}

function chosen(...words: Words[]): [index: number, reason: string] {
  const { candidate, reason } = chooseRootPartition(candidates(...words));
  return [candidate.partition.index, reason];
}

const EXT4 = { filesystem: "ext4" } as const;
const EROFS = { filesystem: "erofs" } as const;
const FAT = { filesystem: "fat" } as const;

Deno.test("chooseRootPartition() goes by type, then by file system, then by label", () => {
  const typed = { ...EXT4, type: ROOT_ARM64 };
  assert.deepEqual(chosen({ ...EXT4, name: "root" }, typed), [1, "its type is the root's"]);
  const shouted = { ...EXT4, type: ROOT_ARM64.toUpperCase() };
  assert.equal(chosen({ ...EXT4, name: "root" }, shouted)[0], 1);
  assert.deepEqual(chosen(EXT4, { ...EROFS, type: USR_ARM64 }), [1, "its type is /usr's"]);
  assert.equal(chosen({ ...EROFS, type: USR_ARM64 }, typed)[0], 1);
  assert.match(chosen(FAT, {}, EXT4, FAT)[1], /only one with EROFS or ext4/);
  assert.deepEqual(chosen(EXT4, { ...EXT4, name: "pmOS_root" }), [1, 'its label is "pmOS_root"']);
  assert.equal(chosen({ ...EXT4, name: "userdata" }, { ...EXT4, name: "rootfs" })[0], 1);
  assert.equal(chosen({ ...EXT4, name: "vendor" }, { ...EXT4, name: "system" })[0], 1);
});

Deno.test("chooseRootPartition() uses what was seen in the trees", () => {
  const boot = { ...EXT4, hasUsr: false, hasInit: false };
  const root = { ...EXT4, hasUsr: true, hasInit: true };
  assert.deepEqual(chosen(boot, root), [1, "it is the only one with an init"]);
  assert.deepEqual(chosen(boot, { ...EXT4, hasUsr: true }), [1, "it is the only one with a /usr"]);
  assert.equal(chosen(boot)[0], 0);
  const typed = { type: ROOT_ARM64 };
  assert.equal(chosen({ ...boot, ...typed }, { ...root, ...typed }, root)[0], 1);
});

Deno.test("chooseRootPartition() lists the candidates when it cannot tell", () => {
  const cases: [Words[], RegExp][] = [
    [[], /there are none/],
    [[FAT, {}], /1: no label, fat, 3 MiB\n {2}2: no label, unknown/],
    [[EXT4, { ...EROFS, name: "a\u001bb" }], /2: "a\\x1bb", erofs, 3 MiB/],
    [[{ ...EXT4, name: "root" }, { ...EXT4, name: "rootfs" }], /2 may be the root/],
    [[{ ...EXT4, name: "Root" }, { ...EXT4, name: "root " }], /2 may be the root/],
    [[{ ...EXT4, name: "system" }, { ...EXT4, name: "userdata" }], /2 may be the root/],
    [[EXT4, { type: ROOT_ARM64 }], /holds neither EROFS nor ext4/],
    [Array(40).fill(EXT4), /and 16 more/],
  ];
  for (const [words, message] of cases) {
    assert.throws(() => chosen(...words), ofKind("usage", message));
    assert.throws(() => chosen(...words), ofKind("usage", /--partition N/));
  }
});

Deno.test({
  name: "chooseRootPartition() knows the types by the names sfdisk gives them",
  ignore: !hasTool("sfdisk"),
  async fn() {
    const { stdout } = await run("sfdisk", ["--list-types", "--label", "gpt"]);
    const names = ["root (x86-64)", "root (ARM-64)", "root (ARM)"];
    for (const what of [...names, ...names.map((name) => name.replace("root", "/usr"))]) {
      const line = stdout.split("\n").find((line) => line.endsWith(`Linux ${what}`));
      const type = line!.split(" ")[0]!;
      assert.match(chosen(EXT4, { ...EXT4, type })[1], /its type is/, what);
    }
  },
});
