/** Partitions beside the one that was entered; what else openImage() does, unwrap_test.ts tells. */
import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { type OpenedImage, openImage } from "../../lib/filesystems/open_image.ts";
import type { FileTree } from "../../lib/sources/file_tree.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { must } from "../images/disk_images.ts";
import { zipArchive } from "../images/zip/zip_archives.ts";
import { ofKind } from "../support/expect_kind.ts";
import { DISK_TOOLS, fatImage, gptDisk } from "../support/root_disks.ts";
import { rootInputs } from "../support/root_inputs.ts";
import { hasTool } from "./foreign_tools.ts";

const ignore = ![...DISK_TOOLS, "mkfs.erofs"].every(hasTool);
const MIB = 1 << 20;
const FILES = { "vmlinuz": new Uint8Array(70_000).fill(5), "dtbs/a.dtb": new Uint8Array(3) };

class Counted extends MemoryReader {
  closed = 0;

  override async [Symbol.asyncDispose](): Promise<void> {
    this.closed++;
    await super[Symbol.asyncDispose]();
  }
}

/** A root between a FAT, an EROFS, an ext4 and a partition of nothing. */
async function disk(): Promise<Uint8Array<ArrayBuffer>> {
  await using inputs = await rootInputs();
  await using beside = await rootInputs({ "lost": "found" });
  const { dir, root } = inputs;
  const fat = await fatImage(dir, FILES);
  await Deno.mkdir(`${dir}/tree`);
  await Deno.writeTextFile(`${dir}/tree/file`, "words");
  await must("mkfs.erofs", [`${dir}/erofs`, `${dir}/tree`]);
  const path = await gptDisk(`${dir}/disk`, [
    { bytes: fat, label: "boot" },
    { bytes: root, label: "root" },
    { bytes: await Deno.readFile(`${dir}/erofs`), label: "vendor" },
    { bytes: new Uint8Array(5000).fill(7) },
    { bytes: beside.root },
  ]);
  return await Deno.readFile(path);
}

async function namesOf(image: OpenedImage | undefined): Promise<string[]> {
  return (await (await image!.openTree()).list("")).map(({ name }) => name);
}

/** As the whole disk is opened for a boot. */
const open = (bytes: Uint8Array) =>
  openImage(new MemoryReader(bytes, "disk"), { partition: "root" });

Deno.test({
  name: "openSibling() opens the file systems beside a root, and closes with it",
  ignore,
  fn: async () => {
    const source = new Counted(await disk(), "disk");
    const image = await openImage(source, { partition: "root" });
    assert.deepEqual(image.siblings!.map(({ index, name }) => [index, name]), [
      ...[[0, "boot"], [2, "vendor"], [3, ""], [4, ""]],
    ]);
    const boot = await image.openSibling(0);
    assert.deepEqual([boot!.format, await namesOf(boot)], ["fat", ["dtbs", "vmlinuz"]]);
    const vendor = await image.openSibling(2);
    assert.deepEqual([vendor!.format, await namesOf(vendor)], ["erofs", ["file"]]);
    assert.equal(await image.openSibling(3), undefined);
    const other = await image.openSibling(4);
    assert.deepEqual([other!.format, other!.blockSizeBytes], ["ext4", 4096]);
    await assert.rejects(image.openSibling(1), ofKind("not-found"));
    await assert.rejects(image.openSibling(9), ofKind("not-found"));
    const stop = { signal: AbortSignal.abort() };
    await assert.rejects(image.openSibling(2, stop));
    // One of them closed leaves the disk to the others.
    const tree = await vendor!.openTree();
    await vendor![Symbol.asyncDispose]();
    assert.equal(source.closed, 0);
    const file = await (await boot!.openTree()).open("vmlinuz");
    await file.readAt(0, new Uint8Array(70_000));
    await assert.rejects(tree.open("file").then((opened) => opened.readAt(0, new Uint8Array(5))));
    const late = image.openSibling(0);
    await image[Symbol.asyncDispose]();
    assert.equal(source.closed, 1);
    await assert.rejects(late, ofKind("cancelled"));
    await assert.rejects(file.readAt(0, new Uint8Array(9)), ofKind("cancelled"));
    await boot![Symbol.asyncDispose]();
    assert.equal(source.closed, 1);
  },
});

Deno.test("openSibling() has nothing to open where no disk was entered", async () => {
  await using inputs = await rootInputs();
  await using image = await openImage(new MemoryReader(inputs.root, "root"));
  assert.equal(image.siblings, undefined);
  await assert.rejects(image.openSibling(0), ofKind("not-found"));
});

Deno.test({
  name: "openSibling() ends in the file system or a typed error wherever it is damaged",
  ignore,
  fn: async () => {
    const whole = await disk();
    const outcome = async (bytes: Uint8Array, index: number): Promise<string> => {
      try {
        await using image = await open(bytes);
        const sibling = await image.openSibling(index);
        if (sibling === undefined) return "none";
        return await contentOf(await sibling.openTree());
      } catch (error) {
        assert.ok(error instanceof FastboopError, String(error));
        assert.match(error.kind, /^(corrupt|limit|unsupported|not-found)$/);
        return error.kind;
      }
    };
    const outcomes = new Set<string>();
    // The superblocks of FAT, EROFS and ext4.
    const places = [[0, MIB], [2, 6 * MIB + 1024], [4, 8 * MIB + 1024]] as const;
    for (const [index, from] of places) {
      assert.match(await outcome(whole, index), /vmlinuz|file|lost/);
      for (let at = from; at < from + 160; at++) {
        whole[at]! ^= 0xff;
        outcomes.add(await outcome(whole, index));
        whole[at]! ^= 0xff;
      }
    }
    // Damage does show.
    assert.ok(outcomes.has("none") && outcomes.has("corrupt"), [...outcomes].join("\n"));
    // The table's own bytes: its checksum refuses them, the backup does not count for less.
    for (let at = 512; at < 1024; at += 7) {
      whole[at]! ^= 0xff;
      assert.match(await outcome(whole, 0), /vmlinuz|corrupt|not-found/);
      whole[at]! ^= 0xff;
    }
    // A disk that was cut has the siblings that are left.
    await using cut = await open(whole.slice(0, 8 * MIB + 512));
    assert.deepEqual(cut.siblings!.map(({ index }) => index), [0, 2, 3]);
  },
});

async function contentOf(tree: FileTree): Promise<string> {
  const names: string[] = [];
  for (const { name, kind } of await tree.list("")) {
    names.push(name);
    if (kind !== "file") continue;
    await using file = await tree.open(name);
    await file.readAt(0, new Uint8Array(Math.min(file.sizeBytes, 4096)));
  }
  return names.join(" ");
}

/** Aborts once it was read `last` times, and does not look at signals itself. */
class Stopping extends MemoryReader {
  readonly stop = new AbortController();
  #left: number;

  constructor(bytes: Uint8Array, last: number) {
    super(bytes, "archive");
    this.#left = last;
  }

  override async readAt(offsetBytes: number, into: Uint8Array): Promise<void> {
    await super.readAt(offsetBytes, into);
    if (--this.#left === 0) this.stop.abort();
  }
}

Deno.test("openImage() answers cancelled wherever in an archive it is stopped", async () => {
  const link = { mode: 0o120777, data: "file" };
  const archive = zipArchive([
    { name: "one", ...link },
    { name: "two", ...link },
    { name: "file", data: "x".repeat(5000) },
  ]);
  // The directory and its end, the two links, the file's format.
  for (let last = 1; last <= 8; last++) {
    const source = new Stopping(archive, last);
    const { signal } = source.stop;
    await assert.rejects(openImage(source, { signal }), ofKind("cancelled"), `${last} reads`);
  }
});
