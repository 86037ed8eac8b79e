const SCRIPT = `${import.meta.dirname}/pack.ts`;
/** What a packed program needs of the machine to unpack itself; the shell comes by its path. */
const TOOLS = ["gzip", "mkdir", "mktemp", "rm", "tail", "tar"];

/** A packed program, and an environment in which there is little else: neither deno nor a network cache. */
export interface PackedProgram {
  readonly path: string;
  readonly env: { readonly HOME: string; readonly PATH: string };
}

/** Packs this tree into `folder`, as `deno task pack` does. */
export async function packProgram(folder: string): Promise<PackedProgram> {
  const path = `${folder}/fastboop`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", SCRIPT, path],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const bin = `${folder}/bin`;
  await Deno.mkdir(bin);
  for (const tool of TOOLS) {
    const found = ["/usr/bin", "/bin"].map((place) => `${place}/${tool}`).find(isThere);
    if (found === undefined) throw new Error(`there is no ${tool}`);
    await Deno.symlink(found, `${bin}/${tool}`);
  }
  return { path, env: { HOME: `${folder}/home`, PATH: bin } };
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
