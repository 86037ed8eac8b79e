/** Where the lab keeps what it built; deleting it costs only the time to build it again. */

/** Architectures that the virtual phone comes in. */
export type LabArch = "x86_64" | "aarch64";

/** `${XDG_CACHE_HOME:-~/.cache}/fastboop/lab`, created when missing. */
export function labDirectory(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache`;
  const directory = `${cache}/fastboop/lab`;
  Deno.mkdirSync(directory, { recursive: true });
  return directory;
}
