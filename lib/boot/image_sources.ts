/**
 * Images of a boot, wherever they lie: paths and URLs are opened here, what is in them is told by a worker
 * without permissions.
 */
import { formatSize } from "../bytes/size.ts";
import type { OpenedImage } from "../filesystems/open_image.ts";
import {
  type ImageSpec,
  type ImageWorker,
  openImageWorker,
  type OpenOptions,
} from "../filesystems/worker/open_image_worker.ts";
import type { FileLeaf } from "../images/pipeline/open_pipeline.ts";
import { XzPool } from "../images/xz/xz_pool.ts";
import { openChunkStore } from "../sources/chunk_store.ts";
import type { DiskCache } from "../sources/disk_cache/disk_cache.ts";
import type { FileTree } from "../sources/file_tree.ts";
import type { HttpEvent } from "../sources/http.ts";
import { openSource } from "../sources/open.ts";
import type { Reader } from "../sources/reader.ts";
import { spillFilesIn } from "../sources/spill_file.ts";
import { LeasedReader } from "../images/leased_reader.ts";
import type { Environment } from "./environment.ts";
import type { Progress } from "./progress.ts";
import { isUrl } from "./is_url.ts";

/** A phone whose disk is slow waits; a phone whose disk fails is lost. So a dead server is waited for. */
const PATIENCE_MS = 10 * 60_000;
/** Decoded images are larger than a /tmp in memory likes. */
const SPILL_DIRECTORY = "/var/tmp";

export interface ImageSourcesOptions {
  readonly env: Environment;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Opens what keeps blocks of URLs for the next run; absent: nothing does. */
  readonly openDiskCache?: (() => Promise<DiskCache>) | undefined;
}

export class ImageSources implements AsyncDisposable {
  readonly #options: ImageSourcesOptions;
  readonly #held = new AsyncDisposableStack();
  #worker: ImageWorker | undefined;
  #diskCache: Promise<DiskCache> | undefined;

  constructor(options: ImageSourcesOptions) {
    this.#options = options;
  }

  /** A path or URL as it is. */
  async open(spec: string): Promise<Reader> {
    const { signal, progress, openDiskCache } = this.#options;
    const isRemote = isUrl(spec);
    if (isRemote) this.#diskCache ??= openDiskCache?.();
    const diskCache = isRemote ? await this.#diskCache : undefined;
    return await openSource(spec, {
      signal,
      patienceMs: PATIENCE_MS,
      onEvent: (event) => tellHttp(event, progress),
      ...(diskCache === undefined ? {} : { diskCache, trace: "record+replay" }),
    });
  }

  /** An image in its containers; what was taken off is told. */
  async openImage(spec: ImageSpec, options: OpenOptions = {}): Promise<OpenedImage> {
    const { signal, progress } = this.#options;
    this.#worker ??= this.#startWorker();
    const image = await this.#worker.open(spec, { purpose: "boot", signal, ...options });
    if (image.steps.length > 0) {
      progress.note(`${image.steps.join(", ")}: ${formatSize(image.reader.sizeBytes)}`);
    }
    return image;
  }

  /** The files of a file system image that goes on to be somebody else's. */
  async openTree(reader: Reader): Promise<FileTree> {
    const image = await this.openImage({ leaf: new LeasedReader(reader) });
    try {
      return closingWith(await image.openTree(), image);
    } catch (error) {
      await image[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync();
  }

  #startWorker(): ImageWorker {
    const { env } = this.#options;
    const pool = this.#held.use(new XzPool());
    return this.#held.use(openImageWorker({
      openLeaf: (leaf: FileLeaf) => this.open(leaf.kind === "http" ? leaf.url : leaf.path),
      openChunkStore: (location) => openChunkStore(location),
      decodeXz: pool.decode,
      spill: spillFilesIn(env["TMPDIR"] || SPILL_DIRECTORY),
    }));
  }
}

/** The tree of an image that nobody else holds. */
export function closingWith(tree: FileTree, image: AsyncDisposable): FileTree {
  return {
    stat: (path) => tree.stat(path),
    list: (path) => tree.list(path),
    open: (path, entry) => tree.open(path, entry),
    [Symbol.asyncDispose]: () => image[Symbol.asyncDispose](),
  };
}

function tellHttp(event: HttpEvent, progress: Progress): void {
  if (event.type === "warning") progress.warn(event.text);
  else if (event.type === "degraded") {
    progress.warn(`the image's server fails (${event.state}); the phone is kept waiting`);
  } else if (event.type === "recovered") progress.note("the image's server answers again");
}
