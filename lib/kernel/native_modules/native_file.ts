import type { FileStamp } from "../../sources/descriptor_cache.ts";

/** One file of the modules directory: bytes of ours, or a file of the build. */
export type NativeFile =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | {
    readonly kind: "host";
    /** Not a link in its last part. */
    readonly hostPath: string;
    readonly stamp: FileStamp;
    /** Size as it is shown. */
    readonly sizeBytes: number;
    /** Shown without debug information; `sizeBytes` is then smaller than the file. */
    readonly isStripped: boolean;
  };
