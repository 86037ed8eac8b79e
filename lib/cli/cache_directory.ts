/**
 * Where blocks of images are kept: `FASTBOOP_CACHE_DIR`, else `fastboop` below `XDG_CACHE_HOME`, else
 * `~/.cache/fastboop`, and there in `blocks`. Undefined when none of them is an absolute path.
 */
export function cacheDirectory(
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  for (
    const [name, below] of [
      ["FASTBOOP_CACHE_DIR", "blocks"],
      ["XDG_CACHE_HOME", "fastboop/blocks"],
      ["HOME", ".cache/fastboop/blocks"],
    ] as const
  ) {
    const folder = env[name];
    if (folder?.startsWith("/")) return `${folder}/${below}`;
  }
  return undefined;
}
