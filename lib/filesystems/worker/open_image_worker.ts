/**
 * Images of unknown origin, parsed by a worker without permissions.
 *
 *     await using worker = openImageWorker({ openLeaf });
 *     await using image = await worker.open({ leaf: await openSource(path) }, { purpose: "inspect" });
 *     const tree = await image.openTree();
 *
 * Main keeps what is outside: leaves, scratch space, xz decoders. The worker names leaves by identities that
 * main knows from the pipelines it was given; it cannot ask for another file or URL.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { DecodeXz } from "../../images/container.ts";
import type { Hint } from "../../images/pipeline/hints.ts";
import type { FileLeaf } from "../../images/pipeline/open_pipeline.ts";
import type { Pipeline } from "../../images/pipeline/pipeline.ts";
import { pipelineIdentity } from "../../images/pipeline/pipeline_identity.ts";
import { decodeXz } from "../../images/xz/decode_xz.ts";
import { casyncChunkStoreOf } from "../../images/casync/casync_chunk_store_of.ts";
import { casyncIndexLeaf } from "../../images/pipeline/casync_leaf.ts";
import type { ChunkStore } from "../../sources/chunk_store.ts";
import type { FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import type { Spill, SpillFactory } from "../../sources/spill.ts";
import type { OpenedImage } from "../open_image.ts";
import type { MainCalls, RemoteImage, RemoteOpenOptions } from "./calls.ts";
import { GuardedWorker, type GuardOptions } from "./guarded_worker.ts";
import { Handles, readPiece } from "./handles.ts";
import type { Handlers, Parcel } from "./peer.ts";
import { RemoteReader } from "./remote_reader.ts";
import { RemoteTree } from "./remote_tree.ts";

/** What must be readable for the worker to start. */
export const IMAGE_WORKER = new URL("./image_worker.ts", import.meta.url);

/** As casync names chunks. */
const CHUNK_PATH = /^[0-9a-f]{4}\/[0-9a-f]{64}(\.cacnk)?$/;
/** casync's own bound of a chunk, and what compression may add to it. */
const CHUNK_BYTES = (128 << 20) + (1 << 20);

export interface ImageWorkerEnvironment extends GuardOptions {
  /** Opens a leaf of a pipeline that was asked for. */
  openLeaf?: (leaf: FileLeaf, options: { signal?: AbortSignal }) => Promise<Reader>;
  /** Opens the chunk store of a casync leaf that was asked for. */
  openChunkStore?: (location: string) => ChunkStore;
  /** Default: as `ContainerOptions` without one, in the worker. */
  spill?: SpillFactory;
  /** Default: on main. */
  decodeXz?: DecodeXz;
  /** The program of the worker. Default `IMAGE_WORKER`. */
  url?: URL;
}

export type ImageSpec =
  | { readonly leaf: Reader }
  | { readonly pipeline: Pipeline; readonly hints?: ReadonlyMap<string, readonly Hint[]> };

export interface OpenOptions extends RemoteOpenOptions {
  signal?: AbortSignal;
}

export interface ImageWorker extends AsyncDisposable {
  /**
   * As `openImage`. A leaf belongs to the image then; when opening fails it stays the caller's.
   *
   * @throws {FastboopError} what `openImage` and `openPipeline` throw; `limit` when the worker took too much
   * time or memory, `internal` when it died. All that is open in it fails with the same error then.
   */
  open(spec: ImageSpec, options?: OpenOptions): Promise<OpenedImage>;
}

/** Starts the worker. Disposing of it closes all that is open in it. */
export function openImageWorker(environment: ImageWorkerEnvironment = {}): ImageWorker {
  return new MainSide(environment);
}

class MainSide implements ImageWorker {
  readonly #worker: GuardedWorker;
  readonly #hasSpill: boolean;
  readonly #handles = new Handles();
  /** Leaves the worker may ask for. */
  readonly #leaves = new Map<string, FileLeaf>();

  /** Chunk stores it may ask for chunks of. */
  readonly #stores = new Set<string>();

  constructor(environment: ImageWorkerEnvironment) {
    this.#hasSpill = environment.spill !== undefined;
    this.#worker = new GuardedWorker(
      environment.url ?? IMAGE_WORKER,
      this.#handlers(environment),
      environment,
    );
  }

  async open(spec: ImageSpec, { signal, ...options }: OpenOptions = {}): Promise<OpenedImage> {
    const { peer } = this.#worker;
    const hasSpill = this.#hasSpill;
    const onLate = closesLate(peer);
    if ("pipeline" in spec) {
      const { pipeline, hints = new Map() } = spec;
      this.#allow(pipeline);
      const call = { source: { pipeline, hints }, options, hasSpill };
      const { value } = await peer.call("open", call, { signal, onLate });
      return new RemoteOpenedImage(peer, value);
    }
    const lent = new LentReader(spec.leaf);
    const id = this.#handles.add(lent);
    const { sizeBytes, identity } = spec.leaf;
    const call = { source: { leaf: { id, sizeBytes, identity } }, options, hasSpill };
    try {
      const { value } = await peer.call("open", call, { signal, onLate });
      lent.isOwned = true;
      return new RemoteOpenedImage(peer, value);
    } catch (error) {
      await this.#handles.close(id);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker[Symbol.dispose]();
    await this.#handles[Symbol.asyncDispose]();
  }

  #allow(pipeline: Pipeline): void {
    if ("source" in pipeline) return this.#allow(pipeline.source);
    const isCasync = pipeline.kind === "casync";
    const leaf = isCasync ? casyncIndexLeaf(pipeline.index) : pipeline;
    this.#leaves.set(pipelineIdentity(leaf), leaf);
    if (isCasync) this.#stores.add(casyncChunkStoreOf(pipeline.index, pipeline.chunkStore));
  }

  #handlers(environment: ImageWorkerEnvironment): Handlers<MainCalls> {
    const { openLeaf, openChunkStore, spill, ...given } = environment;
    const opened = new Map<string, ChunkStore>();
    const handles = this.#handles;
    const decode = given.decodeXz ?? ((stored, limit) => Promise.resolve(decodeXz(stored, limit)));
    return {
      read: ({ value }, signal) => handles.read(value, signal),
      close: async ({ value }) => {
        await handles.close(value.id);
        return { value: undefined };
      },
      openLeaf: async ({ value }, signal) => {
        const leaf = this.#leaves.get(value.identity);
        if (leaf === undefined || openLeaf === undefined) throw refused("open what nobody named");
        return { value: await handles.addReader(await openLeaf(leaf, { signal })) };
      },
      readChunk: async ({ value }, signal) => {
        const { store, path, limitBytes } = value;
        if (!this.#stores.has(store) || openChunkStore === undefined || !CHUNK_PATH.test(path)) {
          throw refused("open what nobody named");
        }
        const read = opened.get(store) ?? openChunkStore(store);
        opened.set(store, read);
        const bytes = await read(path, { limitBytes: Math.min(limitBytes, CHUNK_BYTES), signal });
        return { value: undefined, ...(bytes && { bytes: bytes as Uint8Array<ArrayBuffer> }) };
      },
      decodeXz: async ({ value, bytes = new Uint8Array() }) => {
        const plain = await decode(bytes, value.limitBytes);
        return { value: undefined, bytes: plain as Uint8Array<ArrayBuffer> };
      },
      openSpill: async () => {
        if (spill === undefined) throw refused("write scratch space");
        return { value: { id: handles.add(await spill()) } };
      },
      writeSpill: async ({ value, bytes = new Uint8Array() }) => {
        await handles.get(value.id, isSpill).write(value.offsetBytes, bytes);
        return { value: undefined };
      },
      readSpill: async ({ value }, signal) => {
        const { id, offsetBytes, lengthBytes } = value;
        const bytes = await readPiece(handles.get(id, isSpill), offsetBytes, lengthBytes, signal);
        return { value: undefined, bytes };
      },
    };
  }
}

class RemoteOpenedImage implements OpenedImage {
  readonly steps: readonly string[];
  readonly reader: Reader;
  readonly format: OpenedImage["format"];
  declare readonly blockSizeBytes?: number;
  declare readonly partitions?: NonNullable<OpenedImage["partitions"]>;
  declare readonly siblings?: NonNullable<OpenedImage["siblings"]>;
  readonly #peer: GuardedWorker["peer"];
  readonly #id: number;
  #tree: Promise<FileTree> | undefined;

  constructor(peer: GuardedWorker["peer"], image: RemoteImage) {
    this.#peer = peer;
    this.#id = image.id;
    this.steps = image.steps;
    this.format = image.format;
    this.reader = new RemoteReader(peer, image);
    if (image.blockSizeBytes !== undefined) this.blockSizeBytes = image.blockSizeBytes;
    if (image.partitions !== undefined) this.partitions = image.partitions;
    if (image.siblings !== undefined) this.siblings = image.siblings;
  }

  openTree(): Promise<FileTree> {
    return this.#tree ??= this.#open();
  }

  async openSibling(
    index: number,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<OpenedImage | undefined> {
    const peer = this.#peer;
    const options = { signal, onLate: closesLate(peer) };
    const { value } = await peer.call("openSibling", { id: this.#id, index }, options);
    return value && new RemoteOpenedImage(peer, value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reader[Symbol.asyncDispose]();
  }

  async #open(): Promise<FileTree> {
    const { value } = await this.#peer.call("openTree", { id: this.#id });
    return new RemoteTree(this.#peer, value.id);
  }
}

/** Closes what was opened for a caller that has stopped waiting. */
function closesLate(peer: GuardedWorker["peer"]) {
  return ({ value }: Parcel<RemoteImage | undefined>) => {
    if (value !== undefined) void peer.call("close", { id: value.id }).catch(() => {});
  };
}

/** The leaf of a caller, which it keeps when the opening fails. */
class LentReader implements Reader {
  isOwned = false;
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #leaf: Reader;

  constructor(leaf: Reader) {
    this.#leaf = leaf;
    this.sizeBytes = leaf.sizeBytes;
    this.identity = leaf.identity;
  }

  readAt: Reader["readAt"] = (...words) => this.#leaf.readAt(...words);

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isOwned) await this.#leaf[Symbol.asyncDispose]();
  }
}

function isSpill(held: AsyncDisposable): held is Spill {
  return "write" in held && "readAt" in held;
}

function refused(what: string): FastboopError {
  const state = `the image's reader asked to ${what}`;
  return new FastboopError({ kind: "internal", action: "Read the image", state });
}
