/**
 * Opens the stages of a pipeline once and keeps what a later boot need not find out again.
 *
 * Walks from the leaf up, reading each shared stage once; a stage stays open for the one above it. An xz,
 * android_sparseimg or tar stage gives its index; every wrapper without declared content the digest of what it
 * makes; the stage on top the hashes of its blocks.
 */
import type { Reader } from "../../sources/reader.ts";
import { hashContent } from "./hash_content.ts";
import type { AndroidSparseIndex, Hint, TarEntryIndex, XzBlockTable } from "./hints.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineIdentity } from "./pipeline_identity.ts";
import { StagePool } from "./stage_pool.ts";

interface Stoppable {
  readonly signal?: AbortSignal;
}

/** What looks into the stages. The caller of `open` disposes the Reader; the index readers leave theirs alone. */
export interface StageOpeners {
  open(
    pipeline: Pipeline,
    options: Stoppable & {
      readonly hints: ReadonlyMap<string, readonly Hint[]>;
      /** Those below are open in it. */
      readonly stages: StagePool;
    },
  ): Promise<Reader>;
  xzBlocks(source: Reader, options: Stoppable): Promise<XzBlockTable>;
  sparseIndex(source: Reader, options: Stoppable): Promise<AndroidSparseIndex>;
  tarEntry(source: Reader, entry: string, options: Stoppable): Promise<TarEntryIndex>;
}

export interface OptimizeOptions extends Stoppable {
  /** A stage is about to be read. */
  readonly onStage?: (pipeline: Pipeline) => void;
}

/**
 * Hints by identity, for the pipelines of one profile or of several.
 *
 * @throws {FastboopError} what opening and reading the stages throws, `cancelled`.
 */
export async function optimizePipelines(
  pipelines: readonly Pipeline[],
  openers: StageOpeners,
  options: OptimizeOptions = {},
): Promise<Map<string, Hint[]>> {
  const tops = new Map(pipelines.map((pipeline) => [pipelineIdentity(pipeline), pipeline]));
  const walk = new Walk(openers, options, tops);
  for (const [identity, pipeline] of tops) {
    if (walk.hints.has(identity)) continue; // it is below another one
    await using _ = await walk.visit(pipeline);
  }
  return walk.hints;
}

class Walk {
  readonly hints = new Map<string, Hint[]>();
  readonly #seen = new Set<string>();
  readonly #stages = new StagePool();
  readonly #stoppable: Stoppable;

  constructor(
    readonly openers: StageOpeners,
    readonly options: OptimizeOptions,
    readonly tops: ReadonlyMap<string, Pipeline>,
  ) {
    this.#stoppable = options.signal === undefined ? {} : { signal: options.signal };
  }

  /** Makes the hints of a stage and of those below it. What the stage gives stays open. */
  async visit(stage: Pipeline): Promise<Reader> {
    const identity = pipelineIdentity(stage);
    if (this.#seen.has(identity)) return await this.#open(stage);
    this.#seen.add(identity);
    await using source = "source" in stage ? await this.visit(stage.source) : undefined;
    const needsDigest = source !== undefined && stage.content === undefined;
    const isTop = this.tops.has(identity);
    const hasIndex = ["xz", "android_sparseimg", "tar"].includes(stage.kind);
    if (needsDigest || isTop || hasIndex) this.options.onStage?.(stage);
    const index = source && await this.#index(stage, source);
    if (index !== undefined) this.hints.set(identity, [index]);
    const reader = await this.#open(stage);
    if (!needsDigest && !isTop) return reader;
    try {
      const { digest, blocks } = await hashContent(reader, this.#stoppable);
      this.hints.set(identity, [
        ...(index === undefined ? [] : [index]),
        ...(needsDigest ? [digest] : []),
        ...(isTop ? [blocks] : []),
      ]);
      return reader;
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #index(stage: Pipeline, source: Reader): Promise<Hint | undefined> {
    switch (stage.kind) {
      case "xz":
        return await this.openers.xzBlocks(source, this.#stoppable);
      case "android_sparseimg":
        return await this.openers.sparseIndex(source, this.#stoppable);
      case "tar":
        return await this.openers.tarEntry(source, stage.entry, this.#stoppable);
      default:
        return undefined;
    }
  }

  async #open(stage: Pipeline): Promise<Reader> {
    const [hints, stages] = [this.hints, this.#stages];
    return await this.openers.open(stage, { ...this.#stoppable, hints, stages });
  }
}
