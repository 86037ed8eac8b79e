/** Relocatable files with real debug information, from the host's compilers. */
import { run } from "./compare_stripped.ts";

const SOURCES = {
  "one.c": `#define LIMIT(x) ((x) > 10 ? 10 : (x))
static const char info[] __attribute__((section(".modinfo"), used)) = "license=GPL";
static int counter; int shared = 3; extern int elsewhere(int); extern int weak(void) __attribute__((weak));
static int __attribute__((noinline)) local(int x) { return LIMIT(x) + ++counter; }
int entry(int x) { return elsewhere(local(x)) + shared + (weak ? weak() : 0); }
int (*const table[])(int) = { entry, local };
int aligned[16] __attribute__((aligned(64), section(".data.aligned"))) = { 1 };
int zeros[5000];`,
  "two.c": `extern int shared; static int local(int x) { return x * shared; }
int elsewhere(int x) { return local(x) + (int) sizeof(long); }`,
};

export const TOOLCHAINS = [{ arch: "x86_64", prefix: "" }, {
  arch: "aarch64",
  prefix: "aarch64-linux-gnu-",
}] as const;

/** Compiles and links a small module with `flags` into `dir`; gives its path. */
export async function debugObject(dir: string, prefix: string, flags: string[]): Promise<string> {
  const objects: string[] = [];
  for (const [name, text] of Object.entries(SOURCES)) {
    await Deno.writeTextFile(`${dir}/${name}`, text);
    const object = `${dir}/${name}.o`;
    await run(`${prefix}gcc`, ...flags, "-O2", "-c", `${dir}/${name}`, "-o", object);
    objects.push(object);
  }
  const path = `${dir}/whole.ko`;
  await run(`${prefix}ld`, "-r", "--build-id=sha1", "-o", path, ...objects);
  return path;
}
