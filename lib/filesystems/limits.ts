/** Bounds of the trees that are turned into images; each has a test at N and N + 1. */

/** What one image may hold. */
export interface TreeLimits {
  /** Size of the whole image. */
  readonly imageBytes: number;
  /** Names in the tree. */
  readonly entryCount: number;
}

/** The modules image of a phone: far beyond any kernel, small enough to be listed in a second or two. */
export const MODULES_IMAGE_LIMITS: TreeLimits = {
  imageBytes: 4 * 2 ** 30,
  entryCount: 65_000,
};

/** Any tree: what ext4 can address with 32-bit block numbers, and what memory takes. */
export const TREE_LIMITS: TreeLimits = {
  imageBytes: (2 ** 32 - 1) * 4096,
  entryCount: 4_000_000,
};

/** include/uapi/linux/limits.h: NAME_MAX; a component. */
export const NAME_LIMIT_BYTES = 255;
/** include/uapi/linux/limits.h: PATH_MAX without its NUL; a path, or the target of a symlink. */
export const PATH_LIMIT_BYTES = 4095;

/** include/uapi/linux/limits.h: XATTR_LIST_MAX; the names of one file's attributes, each with a NUL. */
export const XATTR_LIST_BYTES = 65_536;
/** What keeping an attribute takes besides its name and value. */
export const XATTR_BYTES = 200;

/** Names one directory of an image may have. */
export const DIRECTORY_NAMES = 250_000;
/** Bytes of link targets and attributes in the listing of one directory of an image. */
export const LISTED_BYTES = 64 << 20;
