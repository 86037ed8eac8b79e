/** A pipeline as a value -> the Reader of what its outermost stage gives. */
import { FastboopError } from "../../errors/errors.ts";
import type { ChunkStore } from "../../sources/chunk_store.ts";
import type { Reader } from "../../sources/reader.ts";
import { casyncChunkStoreOf } from "../casync/casync_chunk_store_of.ts";
import { openCasync } from "../casync/open_casync.ts";
import type { ContainerOptions } from "../container.ts";
import { openGptPartition } from "../gpt/open_gpt_partition.ts";
import { openMbrPartition } from "../mbr/open_mbr_partition.ts";
import { openContainer } from "../open_container.ts";
import { openTarEntry } from "../tar/open_tar_entry.ts";
import { checkedWhole } from "../digest_reader.ts";
import { VerifiedReader } from "../verified_reader.ts";
import { openZipEntry } from "../zip/open_zip_entry.ts";
import { casyncIndexLeaf } from "./casync_leaf.ts";
import type { Hint } from "./hints.ts";
import type { Leaf, Pipeline } from "./pipeline.ts";
import { pipelineIdentity } from "./pipeline_identity.ts";
import { StagePool } from "./stage_pool.ts";

/** Upstream's digests of stages are of whole blocks (pipeline.md 1.5); ours are of the exact bytes. */
const HINTED_BLOCK_BYTES = 4096;

/** A leaf that is one file. */
export type FileLeaf = Extract<Leaf, { kind: "http" | "file" }>;

/** What the stages are opened with; the options of containers are meant for each of them. */
export interface PipelineEnvironment extends ContainerOptions {
  /** Opens what lies outside: the network, the disk. */
  openLeaf(leaf: FileLeaf, options: { signal?: AbortSignal }): Promise<Reader>;
  /** The folder of a casync leaf's chunks. */
  openChunkStore(location: string): ChunkStore;
  /**
   * A file of an ISO9660 image: trees are no business of this room. The Reader owns `source`, which stays
   * open when this fails. Absent: such stages are refused.
   */
  openIsoEntry?(source: Reader, entry: string): Promise<Reader>;
  /** By pipelineIdentity(). */
  hints?: ReadonlyMap<string, readonly Hint[]>;
  /** Stages that several pipelines share; one pool belongs to one environment. */
  stages?: StagePool;
}

/**
 * Opens a pipeline. Disposing of the Reader closes the stages nobody else uses.
 *
 * Declared sizes are compared at once, and the digest when a stage is read from front to back; `block-hashes`
 * among the hints make each read checked.
 *
 * @throws {FastboopError} `source` when a stage has another size than declared; what leaves and containers
 * throw. Nothing stays open then.
 */
export async function openPipeline(
  pipeline: Pipeline,
  environment: PipelineEnvironment,
): Promise<Reader> {
  const opening = new Opening(environment);
  return await opening.stage(pipeline);
}

class Opening {
  readonly #environment: PipelineEnvironment;
  readonly #stages: StagePool;

  constructor(environment: PipelineEnvironment) {
    this.#environment = environment;
    this.#stages = environment.stages ?? new StagePool();
  }

  /** A share of the stage, compared to what this pipeline declares: another one may have opened it. */
  async stage(pipeline: Pipeline): Promise<Reader> {
    const key = pipelineIdentity(pipeline);
    const hints = this.#environment.hints?.get(key) ?? [];
    const { signal } = this.#environment;
    const reader = await this.#stages.share(key, () => this.#open(pipeline, hints), signal);
    const isHashed = hints.some(({ kind }) => kind === "block-hashes");
    const hinted = isHashed ? undefined : hints.find((hint) => hint.kind === "content-digest");
    try {
      if (pipeline.content !== undefined) return checkedWhole(reader, pipeline.content);
      return hinted === undefined ? reader : checkedWhole(reader, hinted, HINTED_BLOCK_BYTES);
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(pipeline: Pipeline, hints: readonly Hint[]): Promise<Reader> {
    const reader = await this.#openBare(pipeline, hints);
    const hashes = hints.find((hint) => hint.kind === "block-hashes");
    if (hashes === undefined) return reader;
    try {
      return new VerifiedReader(reader, hashes);
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #openBare(pipeline: Pipeline, hints: readonly Hint[]): Promise<Reader> {
    const { signal } = this.#environment;
    if (pipeline.kind === "http" || pipeline.kind === "file") {
      return await this.#environment.openLeaf(pipeline, signal ? { signal } : {});
    }
    if (pipeline.kind === "casync") {
      return await this.#openCasync(pipeline);
    }
    const source = await this.stage(pipeline.source);
    try {
      return await openWrapper(pipeline, source, this.#environment, hints);
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #openCasync({ index, chunkStore }: Extract<Leaf, { kind: "casync" }>): Promise<Reader> {
    const { openChunkStore } = this.#environment;
    const options = containerOptions(this.#environment);
    const chunks = openChunkStore(casyncChunkStoreOf(index, chunkStore));
    const reader = await this.stage(casyncIndexLeaf(index));
    try {
      return await openCasync(reader, chunks, options);
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  }
}

async function openWrapper(
  pipeline: Exclude<Pipeline, Leaf>,
  source: Reader,
  environment: PipelineEnvironment,
  hints: readonly Hint[],
): Promise<Reader> {
  const options = containerOptions(environment);
  switch (pipeline.kind) {
    case "tar": {
      const index = hints.find((hint) => hint.kind === "tar-entry-index");
      return await openTarEntry(source, pipeline.entry, { ...options, ...(index && { index }) });
    }
    case "zip":
      return await openZipEntry(source, pipeline.entry, options);
    case "mbr":
      return await openMbrPartition(source, pipeline.selector, options);
    case "gpt":
      return await openGptPartition(source, pipeline.selector, options);
    case "iso9660":
      if (environment.openIsoEntry === undefined) throw notRead(pipeline.kind);
      return await environment.openIsoEntry(source, pipeline.entry);
  }
  const table = hints.find((hint) => hint.kind === "xz-blocks");
  const index = hints.find((hint) => hint.kind === "android-sparse-index");
  const format = pipeline.kind === "android_sparseimg" ? "android-sparse" : pipeline.kind;
  const hinted = { ...options, ...(table && { table }), ...(index && { index }) };
  const opened = await openContainer(format, source, hinted);
  if (opened === undefined) throw notRead(format);
  return opened.reader;
}

/** Of an environment, what is meant for containers. */
function containerOptions(
  { signal, cacheBytes, decodeXz, spill }: ContainerOptions,
): ContainerOptions {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    ...(decodeXz === undefined ? {} : { decodeXz }),
    ...(spill === undefined ? {} : { spill }),
  };
}

function notRead(format: string): FastboopError {
  return new FastboopError({
    kind: "unsupported",
    action: `Open a ${format} stage`,
    state: "this stage is not read",
  });
}
