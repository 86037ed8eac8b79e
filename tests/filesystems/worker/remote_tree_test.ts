import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { FastboopError } from "../../../lib/errors/errors.ts";
import {
  type ListedPart,
  type MainCalls,
  SMALL_FILE_BYTES,
  SMALL_FILES,
  type SmallFile,
  type WorkerCalls,
} from "../../../lib/filesystems/worker/calls.ts";
import { Handles } from "../../../lib/filesystems/worker/handles.ts";
import { type Handlers, type Parcel, Peer } from "../../../lib/filesystems/worker/peer.ts";
import { readSmallFiles } from "../../../lib/filesystems/worker/read_small_files.ts";
import { RemoteTree } from "../../../lib/filesystems/worker/remote_tree.ts";
import type { Entry, FileTree } from "../../../lib/sources/file_tree.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import type { Reader } from "../../../lib/sources/reader.ts";
import { ofKind } from "../../support/expect_kind.ts";

/** `size-N` has N bytes; `damaged` cannot be read, and what else is asked for is not there. */
class SizesTree implements FileTree {
  openCount = 0;
  disposeCount = 0;

  stat(): Promise<Entry | undefined> {
    return Promise.resolve(undefined);
  }

  list(): Promise<Entry[]> {
    return Promise.resolve([]);
  }

  // deno-lint-ignore require-await
  async open(path: string): Promise<Reader> {
    const sizeBytes = path === "damaged" ? 10 : Number(/^size-(\d+)$/.exec(path)?.[1] ?? NaN);
    if (Number.isNaN(sizeBytes)) throw fault("not-found");
    this.openCount++;
    const reader = new MemoryReader(bytesOf(sizeBytes), path);
    const closing = { [Symbol.asyncDispose]: () => Promise.resolve(void this.disposeCount++) };
    if (path !== "damaged") return Object.assign(reader, closing);
    return Object.assign(reader, closing, { readAt: () => Promise.reject(fault("corrupt")) });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const fault = (kind: "not-found" | "corrupt") =>
  new FastboopError({ kind, action: "Open it", state: "it cannot be" });

const bytesOf = (sizeBytes: number) =>
  Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 7 + sizeBytes) & 0xff);

/** A RemoteTree whose other side lies in this thread; `asked` is each call's number of files. */
function remoteTree(tree: FileTree, lies: Partial<Handlers<WorkerCalls>> = {}) {
  const asked: number[] = [];
  const handles = new Handles();
  const served = {
    readSmall: ({ value }) => {
      asked.push(value.paths.length);
      return readSmallFiles(tree, value.paths);
    },
    openFile: async ({ value }) => ({
      value: await handles.addReader(await tree.open(value.path)),
    }),
    read: ({ value }, signal) => handles.read(value, signal),
    close: async ({ value }) => {
      await handles.close(value.id);
      return { value: undefined };
    },
    ...lies,
  } as Partial<Handlers<WorkerCalls>> as Handlers<WorkerCalls>;
  const violated = (state: string) => assert.fail(state);
  const port = (to: () => { receive(data: unknown): void }) => ({
    postMessage: (message: unknown, transfer: Transferable[]) => {
      const data = structuredClone(message, { transfer });
      setTimeout(() => to().receive(data));
    },
  });
  const main: Peer<WorkerCalls, MainCalls> = new Peer(
    port(() => worker),
    {} as Handlers<MainCalls>,
    violated,
  );
  const worker: Peer<MainCalls, WorkerCalls> = new Peer(port(() => main), served, violated);
  return { remote: new RemoteTree(main, 1), asked, main };
}

async function assertFile(remote: FileTree, sizeBytes: number): Promise<void> {
  await using reader = await remote.open(`size-${sizeBytes}`);
  assert.equal(reader.sizeBytes, sizeBytes);
  assert.equal(reader.identity, `size-${sizeBytes}`);
  const bytes = new Uint8Array(sizeBytes);
  await reader.readAt(0, bytes);
  assert.equal(Buffer.compare(bytes, bytesOf(sizeBytes)), 0);
}

Deno.test("RemoteTree.open() asks for what is opened at a time in few calls", async () => {
  const tree = new SizesTree();
  const { remote, asked } = remoteTree(tree);
  const count = SMALL_FILES * 3 + 5;
  const sizes = Array.from({ length: count }, (_, i) => i * 11);
  await Promise.all(sizes.map((sizeBytes) => assertFile(remote, sizeBytes)));
  assert.deepEqual(asked, [SMALL_FILES, SMALL_FILES, SMALL_FILES, 5]);
  // While a call is under way others gather, and none is forgotten.
  const first = assertFile(remote, 1);
  await new Promise((resolve) => setTimeout(resolve));
  await Promise.all([first, assertFile(remote, 2), assertFile(remote, 3)]);
  assert.deepEqual(asked.slice(4), [1, 2]);
  await assertFile(remote, 4);
  assert.equal(tree.disposeCount, tree.openCount);
});

Deno.test("RemoteTree.open() gives large files, and each failure to its own caller", async () => {
  const tree = new SizesTree();
  const { remote } = remoteTree(tree);
  await Promise.all([
    ...[0, 5, SMALL_FILE_BYTES, SMALL_FILE_BYTES + 1, 3 * SMALL_FILE_BYTES].map((sizeBytes) =>
      assertFile(remote, sizeBytes)
    ),
    assert.rejects(remote.open("none"), ofKind("not-found")),
  ]);
  const [damaged] = await Promise.all([
    remote.open("damaged"),
    assertFile(remote, 6),
    assertFile(remote, SMALL_FILE_BYTES + 1),
  ]);
  await assert.rejects(damaged.readAt(0, new Uint8Array(10)), ofKind("corrupt"));
  await damaged[Symbol.asyncDispose]();
  assert.equal(tree.disposeCount, tree.openCount);
});

const lies: [what: string, answer: Parcel<unknown>][] = [
  ["no list", { value: 5 }],
  ["more files", { value: Array.from({ length: 3 }, () => ({ sizeBytes: 0, identity: "" })) }],
  ["fewer bytes", { value: [{ sizeBytes: 9, identity: "" }], bytes: new Uint8Array(8) }],
  ["more bytes", { value: [{ sizeBytes: 9, identity: "" }], bytes: new Uint8Array(10) }],
  ["no bytes", { value: [{ sizeBytes: 9, identity: "" }] }],
  ["a negative size", {
    value: [{ sizeBytes: 9, identity: "" }, { sizeBytes: -1, identity: "" }],
    bytes: new Uint8Array(8),
  }],
  ["a large file", {
    value: [{ sizeBytes: SMALL_FILE_BYTES + 1, identity: "" }],
    bytes: new Uint8Array(SMALL_FILE_BYTES + 1),
  }],
  ["nothing for a file", { value: [null, 7] }],
];

for (const [what, answer] of lies) {
  Deno.test(`RemoteTree.open() refuses an answer with ${what}`, async () => {
    const lie = answer as Parcel<(SmallFile | undefined)[]>;
    const { remote } = remoteTree(new SizesTree(), { readSmall: () => Promise.resolve(lie) });
    const both = [remote.open("size-9"), remote.open("size-9")];
    for (const opening of both) await assert.rejects(opening, ofKind("internal"));
  });
}

Deno.test("RemoteTree.open() ends with its peer, also what has not been asked for yet", async () => {
  const { remote, main } = remoteTree(new SizesTree(), {
    readSmall: () => new Promise(() => {}),
  });
  const first = remote.open("size-1");
  await new Promise((resolve) => setTimeout(resolve));
  const second = remote.open("size-2");
  const error = new FastboopError({ kind: "limit", action: "Read", state: "it takes too long" });
  main.fail(error);
  for (const opening of [first, second, remote.open("size-3")]) {
    await assert.rejects(opening, ofKind("limit"));
  }
});

const ENTRY = {
  name: "a",
  kind: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 1,
  mtimeSeconds: 1,
  mtimeNanoseconds: 0,
} as const;
const listLies: [what: string, value: unknown][] = [
  ["nothing", undefined],
  ["no entries", { entries: 5, more: undefined }],
  ["an entry of nothing", { entries: [null], more: undefined }],
  ["a name that is none", { entries: [{ ...ENTRY, name: [".."] }], more: undefined }],
  ["an unknown kind", { entries: [{ ...ENTRY, kind: "door" }], more: undefined }],
  ["a mode that is none", { entries: [{ ...ENTRY, mode: "0644" }], more: undefined }],
  ["a device that is none", { entries: [{ ...ENTRY, deviceMajor: 1.5 }], more: undefined }],
  ["a link that is none", { entries: [{ ...ENTRY, linkTarget: 7 }], more: undefined }],
  ["attributes that are none", { entries: [{ ...ENTRY, xattrs: {} }], more: undefined }],
  ["parts without end", { entries: [], more: 1 }],
];

for (const [what, value] of listLies) {
  Deno.test(`RemoteTree.list() refuses ${what}`, async () => {
    const lie = () => Promise.resolve({ value: value as ListedPart });
    const { remote } = remoteTree(new SizesTree(), { list: lie, listMore: lie });
    await assert.rejects(remote.list("a"), ofKind("internal"));
  });
}

Deno.test("RemoteTree.stat() refuses what is no entry", async () => {
  let value: unknown = ENTRY;
  const stat = () => Promise.resolve({ value: value as Entry | undefined });
  const { remote } = remoteTree(new SizesTree(), { stat });
  assert.deepEqual(await remote.stat("a"), ENTRY);
  value = { ...ENTRY, sizeBytes: "1" };
  await assert.rejects(remote.stat("a"), ofKind("internal"));
  value = undefined;
  assert.equal(await remote.stat("a"), undefined);
});
