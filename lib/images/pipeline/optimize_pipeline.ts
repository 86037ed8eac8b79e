/**
 * Opens the stages of pipelines once and keeps what a later boot need not find out again.
 *
 * Walks from the leaf up, each shared stage once. An xz, android_sparseimg or tar stage gives its index; every
 * wrapper without declared content the digest of what it makes; the stage on top the hashes of its blocks.
 */
import type { Reader } from "../../sources/reader.ts";
import { hashContent } from "./hash_content.ts";
import type { AndroidSparseIndex, Hint, TarEntryIndex, XzBlockTable } from "./hints.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineIdentity } from "./pipeline_identity.ts";

interface Stoppable {
  readonly signal?: AbortSignal;
}

/** What looks into the stages. The caller of `open` disposes the Reader; the index readers leave theirs alone. */
export interface StageOpeners {
  open(
    pipeline: Pipeline,
    options: Stoppable & { readonly hints: ReadonlyMap<string, readonly Hint[]> },
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
  const tops = new Set(pipelines.map(pipelineIdentity));
  const walk = new Walk(openers, options, tops);
  for (const pipeline of pipelines) await walk.visit(pipeline);
  return walk.hints;
}

class Walk {
  readonly hints = new Map<string, Hint[]>();
  readonly #seen = new Set<string>();
  readonly #stoppable: Stoppable;

  constructor(
    readonly openers: StageOpeners,
    readonly options: OptimizeOptions,
    readonly tops: ReadonlySet<string>,
  ) {
    this.#stoppable = options.signal === undefined ? {} : { signal: options.signal };
  }

  async visit(stage: Pipeline): Promise<void> {
    const identity = pipelineIdentity(stage);
    if (this.#seen.has(identity)) return;
    this.#seen.add(identity);
    if ("source" in stage) await this.visit(stage.source);
    const needsDigest = "source" in stage && stage.content === undefined;
    const isTop = this.tops.has(identity);
    const hasIndex = ["xz", "android_sparseimg", "tar"].includes(stage.kind);
    if (!needsDigest && !isTop && !hasIndex) return;
    this.options.onStage?.(stage);
    const index = await this.#index(stage);
    if (index !== undefined) this.hints.set(identity, [index]);
    if (!needsDigest && !isTop) return;
    const { digest, blocks } = await this.#hash(stage);
    const found = [
      ...(index === undefined ? [] : [index]),
      ...(needsDigest ? [digest] : []),
      ...(isTop ? [blocks] : []),
    ];
    this.hints.set(identity, found);
  }

  async #index(stage: Pipeline): Promise<Hint | undefined> {
    const { openers } = this;
    switch (stage.kind) {
      case "xz": {
        await using source = await this.#open(stage.source);
        return await openers.xzBlocks(source, this.#stoppable);
      }
      case "android_sparseimg": {
        await using source = await this.#open(stage.source);
        return await openers.sparseIndex(source, this.#stoppable);
      }
      case "tar": {
        await using source = await this.#open(stage.source);
        return await openers.tarEntry(source, stage.entry, this.#stoppable);
      }
      default:
        return undefined;
    }
  }

  async #hash(stage: Pipeline) {
    await using reader = await this.#open(stage);
    return await hashContent(reader, this.#stoppable);
  }

  async #open(stage: Pipeline): Promise<Reader> {
    return await this.openers.open(stage, { ...this.#stoppable, hints: this.hints });
  }
}
