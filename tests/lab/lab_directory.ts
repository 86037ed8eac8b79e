/** Where the lab keeps what it built; deleting it costs only the time to build it again. */

/** Architectures that the virtual phone comes in. */
export type LabArch = "x86_64" | "aarch64";

/**
 * `${XDG_CACHE_HOME:-~/.cache}/fastboop/lab`, created when missing.
 *
 * @throws {Error} when neither variable is set.
 */
export function labDirectory(): string {
  const home = Deno.env.get("HOME");
  const cache = Deno.env.get("XDG_CACHE_HOME") ??
    (home === undefined ? undefined : `${home}/.cache`);
  if (cache === undefined) throw new Error("neither XDG_CACHE_HOME nor HOME is set");
  const directory = `${cache}/fastboop/lab`;
  Deno.mkdirSync(directory, { recursive: true });
  return directory;
}
