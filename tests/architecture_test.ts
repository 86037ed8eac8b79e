/**
 * Holds the shape of lib/: which room may import which, no cycles, operating-system access only at the
 * edges, files that stay small. The arrows come from the module graph Deno itself resolves.
 */
import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

/** Rooms that `boot` composes. */
const PARTS = [
  ...["sources", "images", "filesystems", "kernel", "devicetree", "profiles"],
  ...["stage0", "bootimg", "usb", "fastboot", "smoo"],
];

/** Rooms a room may import besides itself, `bytes` and `errors`. */
const MAY_IMPORT: Record<string, string[]> = {
  bytes: [],
  errors: [],
  sources: [],
  images: ["sources"],
  filesystems: ["images", "sources"],
  kernel: ["filesystems", "sources", "devicetree"],
  devicetree: [],
  profiles: ["images"],
  stage0: ["kernel", "filesystems", "sources"],
  bootimg: [],
  usb: [],
  fastboot: ["usb"],
  smoo: ["usb", "sources"],
  boot: PARTS,
  cli: ["boot", ...PARTS],
};

/** Files that may touch the operating system, the network or an npm package. */
const EDGES = [
  /^lib\/sources\/(file|http|chunk_store|directory|xattr|output_file|descriptor_cache|spill_file)\.ts$/,
  /^lib\/sources\/disk_cache\/host_storage\.ts$/,
  /^lib\/kernel\/(find_tree|run_directory|tree_files|run_make|digest_modules|sets\/bundled_sets)\.ts$/,
  /^lib\/stage0\/payload\.ts$/,
  /^lib\/usb\/(node_usb|usbip\/connect)\.ts$/,
  /^lib\/cli\//,
];

const BANNED_NAMES = /(^|\/|_)(utils?|helpers?|common|misc)(_|\.ts$)/;

interface Module {
  /** Path from the project's root: `lib/smoo/host.ts`. */
  path: string;
  imports: string[];
}

/** Programs: the one people start, and what it starts on threads of their own. */
const ENTRIES = [
  "main.ts",
  "lib/images/xz/xz_worker.ts",
  "lib/filesystems/worker/image_worker.ts",
];

async function moduleGraph(): Promise<Map<string, Module>> {
  const graphs = await Promise.all(ENTRIES.map(modulesBelow));
  return new Map(graphs.flatMap((graph) => [...graph]));
}

async function modulesBelow(entry: string): Promise<Map<string, Module>> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: ROOT,
  }).output();
  assert.ok(success, `deno info must resolve ${entry}`);
  const graph = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: {
      specifier: string;
      dependencies?: { code?: { specifier?: string }; type?: { specifier?: string } }[];
    }[];
  };
  const modules = new Map<string, Module>();
  for (const module of graph.modules) {
    if (!module.specifier.startsWith(ROOT.href)) continue;
    const path = module.specifier.slice(ROOT.href.length);
    const imports = (module.dependencies ?? [])
      .map((d) => d.code?.specifier ?? d.type?.specifier ?? "")
      .filter((specifier) => specifier.startsWith(ROOT.href))
      .map((specifier) => specifier.slice(ROOT.href.length));
    modules.set(path, { path, imports });
  }
  return modules;
}

async function* sourceFiles(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    if (entry.isDirectory) yield* sourceFiles(`${folder}${entry.name}/`);
    else if (entry.name.endsWith(".ts")) yield `${folder}${entry.name}`;
  }
}

const roomOf = (path: string) => /^lib\/([^/]+)\//.exec(path)?.[1];

Deno.test("imports follow the table of rooms", async () => {
  const modules = await moduleGraph();
  assert.ok(modules.size > 20, "the graph must hold the program");
  const wrong: string[] = [];
  for (const { path, imports } of modules.values()) {
    const from = roomOf(path);
    if (from === undefined) continue;
    const allowed = MAY_IMPORT[from];
    assert.ok(allowed, `${path} lies in a room the table does not know`);
    for (const target of imports) {
      const to = roomOf(target);
      if (to === from || to === "bytes" || to === "errors") continue;
      if (to === undefined || !allowed.includes(to)) wrong.push(`${path} -> ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("no file of lib/ is outside the program", async () => {
  const modules = await moduleGraph();
  const unused: string[] = [];
  for await (const path of sourceFiles("lib/")) if (!modules.has(path)) unused.push(path);
  assert.deepEqual(unused, []);
});

Deno.test("the module graph has no cycle", async () => {
  const modules = await moduleGraph();
  const state = new Map<string, "open" | "done">();
  const visit = (path: string, trail: string[]) => {
    if (state.get(path) === "done") return;
    assert.notEqual(state.get(path), "open", `cycle: ${[...trail, path].join(" -> ")}`);
    state.set(path, "open");
    for (const target of modules.get(path)?.imports ?? []) visit(target, [...trail, path]);
    state.set(path, "done");
  };
  for (const path of modules.keys()) visit(path, []);
});

Deno.test("operating system, network and packages are touched only at the edges", async () => {
  const wrong: string[] = [];
  for await (const path of sourceFiles("lib/")) {
    if (EDGES.some((edge) => edge.test(path))) continue;
    const code = (await Deno.readTextFile(new URL(path, ROOT)))
      .replace(/\/\*[\s\S]*?\*\//g, "")
      .replace(/\/\/.*$/gm, "");
    const touch = /\bDeno\.|\bfetch\(|from "(npm:[^"]*|node:(?:fs|net|child_process|os)[^"]*)"/
      .exec(code);
    if (touch) wrong.push(`${path}: ${touch[0]}`);
  }
  assert.deepEqual(wrong, []);
});

Deno.test("files stay small and have real names", async () => {
  const wrong: string[] = [];
  for (const folder of ["lib/", "tests/"]) {
    for await (const path of sourceFiles(folder)) {
      const text = await Deno.readTextFile(new URL(path, ROOT));
      const lines = text.split("\n").length;
      if (lines > 700) wrong.push(`${path}: ${lines} lines`);
      if (lines > 400 && folder === "lib/" && !/one format, one file/i.test(text.slice(0, 1500))) {
        wrong.push(`${path}: ${lines} lines without a reason in its header`);
      }
      if (BANNED_NAMES.test(path)) wrong.push(`${path}: a name that says nothing`);
    }
  }
  assert.deepEqual(wrong, []);
});
