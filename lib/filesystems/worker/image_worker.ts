/**
 * The worker that parses images. It has no permissions: all it sees is what main reads for it.
 *
 * Leaves are read through a page cache here, so that the many small reads of a file system are few
 * messages.
 */
import { openPipeline } from "../../images/pipeline/open_pipeline.ts";
import { pipelineIdentity } from "../../images/pipeline/pipeline_identity.ts";
import { StagePool } from "../../images/pipeline/stage_pool.ts";
import { decodeXz } from "../../images/xz/decode_xz.ts";
import type { ContainerOptions } from "../../images/container.ts";
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import { PageCache } from "../../sources/page_cache.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { openIsoEntry } from "../iso9660/open_iso_entry.ts";
import { type OpenedImage, openImage } from "../open_image.ts";
import {
  LISTED_ENTRIES,
  type ListedPart,
  type MainCalls,
  type RemoteHandle,
  type RemoteImage,
  type WorkerCalls,
} from "./calls.ts";
import { Handles } from "./handles.ts";
import { MESSAGE_BYTES, Peer, type Port } from "./peer.ts";
import { readSmallFiles } from "./read_small_files.ts";
import { RemoteReader } from "./remote_reader.ts";
import { RemoteSpill } from "./remote_spill.ts";

interface WorkerScope extends Port {
  onmessage: ((event: MessageEvent) => void) | null;
}

/** What is read whole anyway gains nothing from a cache. */
const LARGE_BYTES = 256 << 10;
const LEAF_CACHE = { capacityBytes: 32 << 20, readAheadBytes: 1 << 20 };

const scope = globalThis as unknown as WorkerScope;
const handles = new Handles();
const stages = new StagePool();

const peer: Peer<MainCalls, WorkerCalls> = new Peer<MainCalls, WorkerCalls>(scope, {
  read: ({ value }, signal) => handles.read(value, signal),
  close: async ({ value }) => {
    await handles.close(value.id);
    return { value: undefined };
  },
  open: async ({ value }, signal) => {
    const source = await openSource(value, signal);
    try {
      const image = await openImage(source, {
        ...value.options,
        ...containerOptions(signal, value.hasSpill),
      });
      return { value: await holdImage(image) };
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
  },
  openTree: async ({ value }) => {
    const { image } = handles.get(value.id, (held) => held instanceof HeldImage);
    return { value: { id: handles.add(new HeldTree(await image.openTree())) } };
  },
  openSibling: async ({ value }, signal) => {
    const { image } = handles.get(value.id, (held) => held instanceof HeldImage);
    const sibling = await image.openSibling(value.index, { signal });
    return { value: sibling && await holdImage(sibling) };
  },
  stat: async ({ value }) => {
    const { tree } = handles.get(value.id, (held) => held instanceof HeldTree);
    const entry = await tree.stat(value.path);
    return { value: entry && withoutStamp(entry) };
  },
  list: async ({ value }) => {
    const { tree } = handles.get(value.id, (held) => held instanceof HeldTree);
    return { value: partOf(await tree.list(value.path)) };
  },
  listMore: async ({ value }) => {
    const rest = handles.get(value.id, (held) => held instanceof HeldList);
    await handles.close(value.id);
    return { value: partOf(rest.entries) };
  },
  openFile: async ({ value }) => {
    const { tree } = handles.get(value.id, (held) => held instanceof HeldTree);
    return { value: await handles.addReader(await tree.open(value.path)) };
  },
  readSmall: async ({ value }) => {
    const { tree } = handles.get(value.id, (held) => held instanceof HeldTree);
    return await readSmallFiles(tree, value.paths);
  },
}, (state) => {
  throw new Error(state);
});

scope.onmessage = ({ data }) => peer.receive(data);

/** An image under one number: its bytes by `read`, itself by `openTree`. */
class HeldImage implements Reader {
  readonly image: OpenedImage;
  readonly sizeBytes: number;
  readonly identity: string;

  constructor(image: OpenedImage) {
    this.image = image;
    this.sizeBytes = image.reader.sizeBytes;
    this.identity = image.reader.identity;
  }

  readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    return this.image.reader.readAt(offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.image[Symbol.asyncDispose]();
  }
}

/** A tree, which its image closes. */
class HeldTree implements AsyncDisposable {
  readonly tree: FileTree;

  constructor(tree: FileTree) {
    this.tree = tree;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** What of a directory has not been told yet. */
class HeldList implements AsyncDisposable {
  readonly entries: readonly Entry[];

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function holdImage(image: OpenedImage): Promise<RemoteImage> {
  const { steps, format, blockSizeBytes, partitions, siblings } = image;
  const handle = await handles.addReader(new HeldImage(image));
  return { ...handle, steps, format, blockSizeBytes, partitions, siblings };
}

async function openSource(
  { source, options: { cacheBytes }, hasSpill }: WorkerCalls["open"]["takes"],
  signal: AbortSignal,
): Promise<Reader> {
  if ("leaf" in source) return cached(source.leaf);
  return await openPipeline(source.pipeline, {
    ...containerOptions(signal, hasSpill),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    hints: source.hints,
    stages,
    openLeaf: async (leaf, options) => {
      const call = { identity: pipelineIdentity(leaf) };
      return cached((await peer.call("openLeaf", call, options)).value);
    },
    openIsoEntry,
    openChunkStore: (store) => async (path, { limitBytes, signal }) => {
      return (await peer.call("readChunk", { store, path, limitBytes }, { signal })).bytes;
    },
  });
}

function cached(handle: RemoteHandle): Reader {
  return new LeafReader(new RemoteReader(peer, handle));
}

/** A leaf: small reads through a cache, large ones straight. */
class LeafReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #remote: RemoteReader;
  readonly #cache: PageCache;

  constructor(remote: RemoteReader) {
    this.sizeBytes = remote.sizeBytes;
    this.identity = remote.identity;
    this.#remote = remote;
    this.#cache = new PageCache(remote, LEAF_CACHE);
  }

  readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    const reader = into.length >= LARGE_BYTES ? this.#remote : this.#cache;
    return reader.readAt(offsetBytes, into, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cache[Symbol.asyncDispose]();
  }
}

function containerOptions(signal: AbortSignal, hasSpill: boolean): ContainerOptions {
  return {
    signal,
    decodeXz: async (stored, limitBytes) => {
      if (stored.length > MESSAGE_BYTES) return decodeXz(stored, limitBytes);
      const bytes = movable(stored);
      const answer = await peer.call("decodeXz", { limitBytes }, { bytes });
      return answer.bytes!;
    },
    ...(hasSpill
      ? {
        spill: async () =>
          new RemoteSpill(peer, (await peer.call("openSpill", undefined)).value.id),
      }
      : {}),
  };
}

/** The same bytes, alone in their buffer. */
function movable(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isAlone = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length;
  return isAlone ? bytes as Uint8Array<ArrayBuffer> : new Uint8Array(bytes);
}

function partOf(entries: readonly Entry[]): ListedPart {
  const part = entries.slice(0, LISTED_ENTRIES).map(withoutStamp);
  if (entries.length <= LISTED_ENTRIES) return { entries: part, more: undefined };
  return { entries: part, more: handles.add(new HeldList(entries.slice(LISTED_ENTRIES))) };
}

/** Stamps are objects of this side. */
function withoutStamp({ stamp: _, ...entry }: Entry): Entry {
  return entry;
}
