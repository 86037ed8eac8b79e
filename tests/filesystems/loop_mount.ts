/** The kernel's own view of an image: mounted read-only for as long as `body` runs. */
import { run, withTempDir } from "./foreign_tools.ts";

export async function withMounted<T>(
  image: string,
  filesystem: "erofs" | "ext4",
  body: (path: string) => Promise<T>,
): Promise<T> {
  return await withTempDir(async (path) => {
    const options = filesystem === "ext4" ? "loop,ro,noload" : "loop,ro";
    const mounted = await run("mount", ["-t", filesystem, "-o", options, image, path]);
    if (mounted.code !== 0) throw new Error(`mount: ${mounted.stderr}`);
    await using _mount = {
      async [Symbol.asyncDispose]() {
        const { code, stderr } = await run("umount", [path]);
        if (code !== 0) throw new Error(`umount: ${stderr}`);
      },
    };
    return await body(path);
  });
}

/** Whether this machine can mount images of `filesystem`. */
export async function canMount(filesystem: string): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const known = await Deno.readTextFile("/proc/filesystems").catch(() => "");
  const loop = await Deno.stat("/dev/loop-control").catch(() => undefined);
  return loop !== undefined && new RegExp(`\\t${filesystem}$`, "m").test(known);
}
