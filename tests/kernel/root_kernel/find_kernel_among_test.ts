import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { FastboopError } from "../../../lib/errors/errors.ts";
import {
  findKernelAmong,
  type FindKernelAmongOptions,
  type KernelPlace,
} from "../../../lib/kernel/root_kernel/find_kernel_among.ts";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { arm64Image, bzImage, dtbHeader } from "../fixture_tree.ts";
import { type RootFiles, rootTree } from "./root_tree.ts";

const MODULES: RootFiles = { "usr/lib/modules/6.9.0/modules.dep": "" };
const DTB = "qcom/sdm845-one";
const DTB_FILE = `${DTB}.dtb`;

/** Places by their names; an error is one that cannot be opened. */
class Places implements AsyncIterable<KernelPlace> {
  readonly asked: string[] = [];
  readonly #places: readonly (readonly [string, FileTree | FastboopError])[];

  constructor(places: Record<string, RootFiles | FastboopError>) {
    this.#places = Object.entries(places).map(([name, files]) => {
      return [name, files instanceof FastboopError ? files : rootTree(files)] as const;
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<KernelPlace> {
    for (const [name, tree] of this.#places) {
      const openTree = () => {
        this.asked.push(name);
        return tree instanceof FastboopError ? Promise.reject(tree) : Promise.resolve(tree);
      };
      yield await Promise.resolve({ name, openTree });
    }
  }

  find(options: Partial<FindKernelAmongOptions> = {}) {
    const first = this.#places[0]![1];
    const modulesTree = first instanceof FastboopError ? rootTree({}) : first;
    return findKernelAmong(this, { arch: "x86_64", modulesTree, ...options });
  }
}

const failure = (kind: "corrupt" | "source" | "cancelled") =>
  new FastboopError({ kind, action: "Read it", state: "it is spoilt" });

Deno.test("findKernelAmong() takes the root's own kernel and opens nothing else", async () => {
  const places = new Places({
    root: { ...MODULES, "boot/vmlinuz": bzImage("6.9.0") },
    boot: { "vmlinuz": bzImage("6.9.0") },
  });
  const kernel = await places.find();
  assert.deepEqual([kernel.place, kernel.imagePath], ["root", "boot/vmlinuz"]);
  assert.deepEqual(places.asked, ["root"]);
});

Deno.test("findKernelAmong() takes the first kernel whose modules the root has", async () => {
  const places = new Places({
    root: { ...MODULES, "boot/vmlinuz": bzImage("6.1.0") },
    efi: { "EFI/BOOT/BOOTX64.EFI": "x" },
    damaged: failure("corrupt"),
    other: { "vmlinuz": bzImage("6.2.0") },
    boot: { "vmlinuz": bzImage("6.9.0"), "vmlinuz.old": bzImage("6.2.0") },
    late: { "vmlinuz": bzImage("6.9.0") },
  });
  const kernel = await places.find();
  assert.deepEqual([kernel.place, kernel.imagePath], ["boot", "vmlinuz"]);
  assert.equal(kernel.modulesDirectory, "usr/lib/modules/6.9.0");
  assert.deepEqual(kernel.passedOver, [
    "vmlinuz.old is 6.2.0, which has no modules here",
    "root: the modules are those of 6.9.0, the kernel is 6.1.0 (boot/vmlinuz)",
    "damaged: it is spoilt",
    "other: the modules are those of 6.9.0, the kernel is 6.2.0 (vmlinuz)",
  ]);
  assert.equal(places.asked.includes("late"), false);
});

Deno.test("findKernelAmong() prefers the kernel's own place for its device tree, then the root", async () => {
  const arm = { arch: "aarch64", devicetreeName: DTB } as const;
  const at = async (root: RootFiles, boot: RootFiles, late: RootFiles = {}) => {
    const kernel = { "vmlinuz": arm64Image("6.9.0") };
    const places = new Places({
      root: { ...MODULES, ...root },
      boot: { ...kernel, ...boot },
      late,
    });
    const { dtb, dtbPlace } = await places.find(arm);
    assert.deepEqual(dtb!.bytes, dtbHeader());
    return `${dtbPlace}: ${dtb!.path}`;
  };
  const beside = { [`dtbs/${DTB_FILE}`]: dtbHeader() };
  const debian = { [`usr/lib/linux-image-6.9.0/${DTB_FILE}`]: dtbHeader() };
  assert.equal(await at(debian, beside), `boot: dtbs/${DTB_FILE}`);
  assert.equal(await at(debian, {}, beside), `root: usr/lib/linux-image-6.9.0/${DTB_FILE}`);
  assert.equal(await at({}, {}, beside), `late: dtbs/${DTB_FILE}`);
  const none = /root: there is no qcom\/sdm845-one\.dtb[^]*late: .*near ones: sdm845-ona[^]*--dtb/;
  const near = { "dtbs/qcom/sdm845-ona.dtb": dtbHeader() };
  await assert.rejects(at({}, {}, near), ofKind("not-found", none));
});

Deno.test("findKernelAmong() looks for device trees nowhere but where it is told", async () => {
  const places = new Places({
    root: { ...MODULES, "boot/vmlinuz": arm64Image("6.9.0"), [`boot/${DTB_FILE}`]: dtbHeader() },
  });
  const told = { arch: "aarch64", devicetreeName: DTB, dtbsPath: "/" } as const;
  const own = await places.find({ ...told, dtbsTree: rootTree({ "sdm845-one.dtb": dtbHeader() }) });
  assert.equal(own.dtb!.path, "sdm845-one.dtb");
  await assert.rejects(places.find({ ...told, dtbsTree: rootTree({}) }), ofKind("not-found"));
});

Deno.test("findKernelAmong() tells all places when none has a kernel, or the root alone", async () => {
  await assert.rejects(
    new Places({ root: MODULES, efi: {}, damaged: failure("corrupt") }).find(),
    ofKind(
      "not-found",
      /root: there is none.*looked in boot[^]*efi: there is none.*looked in all[^]*damaged: it is spoilt[^]*--kernel/,
    ),
  );
  await assert.rejects(
    new Places({ root: MODULES, boot: { "vmlinuz": bzImage("6.2.0") } }).find(),
    ofKind("tree", /root: there is none[^]*boot: the modules are those of 6\.9\.0, .* is 6\.2\.0/),
  );
  const alone = new Places({ root: MODULES }).find();
  await assert.rejects(alone, ofKind("not-found", /: there is none that can be used; looked in/));
});

Deno.test("findKernelAmong() unpacks three bombs at most, wherever they lie", async () => {
  const bomb = gzipSync(new Uint8Array(64 << 20));
  const trees = Array.from({ length: 9 }, () => rootTree({ "Image": bomb, "Image-2": bomb }));
  const places = {
    async *[Symbol.asyncIterator]() {
      for (const [i, tree] of trees.entries()) {
        yield await Promise.resolve({ name: `${i}`, openTree: () => Promise.resolve(tree) });
      }
    },
  };
  const found = findKernelAmong(places, { arch: "aarch64", modulesTree: trees[0]! });
  await assert.rejects(found, ofKind("not-found"));
  // The first bytes and all of three.
  assert.equal(trees.flatMap(({ opened }) => opened).length, 6);
});

Deno.test("findKernelAmong() ends with the root's damage, and with anybody's failed server", async () => {
  const boot = { "vmlinuz": bzImage("6.9.0") };
  await assert.rejects(new Places({ root: failure("corrupt"), boot }).find(), ofKind("corrupt"));
  for (const kind of ["source", "cancelled"] as const) {
    const places = new Places({ root: MODULES, far: failure(kind), boot });
    await assert.rejects(places.find(), ofKind(kind));
  }
});
