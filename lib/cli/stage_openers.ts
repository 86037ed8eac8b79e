/** What `optimize` looks into the stages of a pipeline with. */
import { openIsoEntry } from "../filesystems/iso9660/open_iso_entry.ts";
import { readAndroidSparseIndex } from "../images/android_sparse/read_android_sparse_index.ts";
import { openPipeline } from "../images/pipeline/open_pipeline.ts";
import type { StageOpeners } from "../images/pipeline/optimize_pipeline.ts";
import { readTarEntryIndex } from "../images/tar/read_tar_entry_index.ts";
import { readXzBlockTable } from "../images/xz/read_xz_block_table.ts";
import { openChunkStore } from "../sources/chunk_store.ts";
import { openFile } from "../sources/file.ts";
import { openSource } from "../sources/open.ts";
import { spillFilesIn } from "../sources/spill_file.ts";

/** Decoded images are larger than a /tmp in memory likes. */
const SPILL_DIRECTORY = "/var/tmp";

/** Opens stages as `boot` does. */
export function stageOpeners(): StageOpeners {
  return {
    open: async (pipeline, options) =>
      await openPipeline(pipeline, {
        ...options,
        openLeaf: async (leaf, leafOptions) =>
          leaf.kind === "http"
            ? await openSource(leaf.url, leafOptions)
            : await openFile(leaf.path),
        openChunkStore,
        openIsoEntry,
        spill: spillFilesIn(Deno.env.get("TMPDIR") || SPILL_DIRECTORY),
      }),
    xzBlocks: readXzBlockTable,
    sparseIndex: readAndroidSparseIndex,
    tarEntry: readTarEntryIndex,
  };
}
