import assert from "node:assert/strict";
import { openFile } from "../../lib/sources/file.ts";

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff);

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "fastboop-file-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function run(command: string, args: string[]): string | undefined {
  try {
    const out = new Deno.Command(command, { args, stderr: "null" }).outputSync();
    return out.success ? new TextDecoder().decode(out.stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

Deno.test("openFile() reads concurrently at any offset", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image`;
    await Deno.writeFile(path, bytes);
    await using reader = await openFile(path);
    assert.equal(reader.sizeBytes, bytes.length);
    await Promise.all(Array.from({ length: 500 }, async (_, i) => {
      const offset = (i * 7919) % (bytes.length - 4096);
      const into = new Uint8Array(4096);
      await reader.readAt(offset, into);
      assert.deepEqual(into, bytes.slice(offset, offset + 4096));
    }));
    await assert.rejects(reader.readAt(bytes.length - 1, new Uint8Array(2)), { kind: "limit" });
    const signal = AbortSignal.abort();
    await assert.rejects(reader.readAt(0, new Uint8Array(1), { signal }), { kind: "cancelled" });
  });
});

Deno.test("identity follows the file, by whatever path, and changes with it", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image`;
    await Deno.writeFile(path, bytes);
    await Deno.symlink("image", `${folder}/link`);
    await using direct = await openFile(path);
    await using linked = await openFile(`${folder}/link`);
    assert.equal(direct.identity, linked.identity);
    await Deno.utime(path, 1000, 2000);
    await using later = await openFile(path);
    assert.notEqual(later.identity, direct.identity);
    await Deno.truncate(path, 10);
    await Deno.utime(path, 1000, 2000);
    await using shorter = await openFile(path);
    assert.notEqual(shorter.identity, later.identity);
  });
});

const CHANGES: [string, (path: string) => Promise<void>][] = [
  ["written to", async (path) => {
    await Deno.writeFile(path, bytes.slice(0, 1), { append: true });
  }],
  ["cut short", (path) => Deno.truncate(path, 100)],
  ["rewritten in place at another time", async (path) => {
    using file = await Deno.open(path, { write: true });
    await file.write(Uint8Array.of(1, 2, 3));
    await file.utime(1000, 2000);
  }],
];
for (const [what, change] of CHANGES) {
  Deno.test(`readAt() refuses for good when the file is ${what}`, async () => {
    await inFolder(async (folder) => {
      const path = `${folder}/image`;
      await Deno.writeFile(path, bytes);
      await using reader = await openFile(path);
      await reader.readAt(0, new Uint8Array(10));
      await change(path);
      await assert.rejects(reader.readAt(0, new Uint8Array(10)), { kind: "source" });
      await Deno.writeFile(path, bytes);
      await assert.rejects(reader.readAt(0, new Uint8Array(10)), { kind: "source" });
    });
  });
}

Deno.test("readAt() keeps serving the old file when a new one is renamed over it", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image`;
    await Deno.writeFile(path, bytes);
    await using reader = await openFile(path);
    await Deno.writeFile(`${path}.new`, new Uint8Array(10));
    await Deno.rename(`${path}.new`, path);
    const into = new Uint8Array(100);
    await reader.readAt(1000, into);
    assert.deepEqual(into, bytes.slice(1000, 1100));
    // Large enough for a thread, which opens the name anew.
    const all = new Uint8Array(bytes.length);
    await reader.readAt(0, all);
    assert.deepEqual(all, bytes);
    await Deno.remove(path);
    await reader.readAt(0, all);
    assert.deepEqual(all, bytes);
  });
});

Deno.test("readAt() is not held by a FIFO that was put in the file's place", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image`;
    await Deno.writeFile(path, bytes);
    await using reader = await openFile(path);
    if (run("mkfifo", [`${folder}/fifo`]) === undefined) {
      return console.log("  no mkfifo: not tested");
    }
    await Deno.rename(`${folder}/fifo`, path);
    const all = new Uint8Array(bytes.length);
    await reader.readAt(0, all);
    assert.deepEqual(all, bytes);
  });
});

Deno.test("large reads have eight files open at most, and an abort ends the wait for one", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image`;
    await Deno.writeFile(path, bytes);
    await using reader = await openFile(path);
    const stop = new AbortController();
    const reads = Array.from({ length: 100 }, (_, i) => {
      return reader.readAt(0, new Uint8Array(bytes.length), i < 50 ? {} : { signal: stop.signal });
    });
    stop.abort();
    const ends = await Promise.allSettled(reads);
    for (const [i, end] of ends.entries()) {
      if (i < 50) assert.equal(end.status, "fulfilled");
      else assert.equal(end.status === "rejected" && end.reason.kind, "cancelled");
    }
    if (Deno.build.os !== "linux") return;
    const names = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`);
      } catch {
        return "";
      }
    });
    assert.equal(names.filter((name) => name === Deno.realPathSync(path)).length, 9);
  });
});

Deno.test("disposing waits for reads under way and refuses later ones", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image`;
    await Deno.writeFile(path, bytes);
    const reader = await openFile(path);
    const all = Array.from({ length: 20 }, () => new Uint8Array(bytes.length));
    const reads = Promise.all(all.map((into) => reader.readAt(0, into)));
    await reader[Symbol.asyncDispose]();
    for (const into of all) assert.ok(into.every((byte, i) => byte === bytes[i]));
    await reads;
    for (const sizeBytes of [0, 10, bytes.length]) {
      await assert.rejects(reader.readAt(0, new Uint8Array(sizeBytes)), { kind: "source" });
    }
    await reader[Symbol.asyncDispose]();
  });
});

Deno.test("reading on and on lets timers in", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image`;
    await Deno.writeFile(path, bytes);
    await using reader = await openFile(path);
    let fired = false;
    const timer = setTimeout(() => fired = true, 1);
    const { now } = performance;
    let nowMs = now.call(performance);
    // Quick reads whatever this machine does: a slow one would go through a thread anyway.
    performance.now = () => nowMs++;
    try {
      const into = new Uint8Array(10);
      for (let i = 0; i < 100_000 && !fired; i++) await reader.readAt(0, into);
    } finally {
      performance.now = now;
      clearTimeout(timer);
    }
    assert.ok(fired);
  });
});

Deno.test("openFile() refuses what is no file, with a hint", async () => {
  await inFolder(async (folder) => {
    const fails = (path: string, kind: string, state: RegExp) =>
      assert.rejects(openFile(path), (error: { kind: string; state: string; hint?: string }) => {
        assert.equal(error.kind, kind);
        assert.match(error.state, state);
        assert.ok(error.hint);
        return true;
      });
    await fails(folder, "unsupported", /directory/);
    await fails(`${folder}/nothing`, "not-found", /no such file/);
    await Deno.writeFile(`${folder}/file`, bytes);
    await fails(`${folder}/file/below`, "not-found", /no such file/);
    if (Deno.build.os !== "windows") await fails("/dev/null", "unsupported", /neither/);
    if (run("mkfifo", [`${folder}/fifo`]) !== undefined) {
      await fails(`${folder}/fifo`, "unsupported", /FIFO/);
    }
  });
});

for (
  const [path, flags, hint] of [
    ["/etc/hostname", [], "Add --allow-read for this path"],
    // Deno asks the same of devices.
    ["/proc/self/environ", ["--allow-read"], "Add --allow-all"],
  ] as const
) {
  Deno.test({
    name: `openFile() says permission when Deno denies ${path}`,
    ignore: path.startsWith("/proc/") && Deno.build.os !== "linux",
    async fn() {
      const script = `
        import { openFile } from ${
        JSON.stringify(import.meta.resolve("../../lib/sources/file.ts"))
      };
        try { await openFile("${path}"); } catch (error) { console.log(error.kind, error.hint); }`;
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-prompt",
          ...flags,
          `data:text/typescript,${encodeURIComponent(script)}`,
        ],
      }).output();
      const said = new TextDecoder().decode(stdout);
      assert.ok(said.startsWith(`permission ${hint}`), said);
    },
  });
}

/** A loop device over a file, where this machine lets us make one. */
function loopDevice(path: string): string | undefined {
  return run("losetup", ["--find", "--show", "--read-only", path]);
}

Deno.test({
  name: "openFile() reads a block device by its real size",
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
  async fn() {
    await inFolder(async (folder) => {
      const path = `${folder}/image`;
      await Deno.writeFile(path, bytes.slice(0, 512 * 500));
      const device = loopDevice(path);
      if (device === undefined) return console.log("  no loop device to be had: not tested");
      try {
        await using reader = await openFile(device);
        assert.equal(reader.sizeBytes, 512 * 500);
        assert.match(reader.identity, /^device:\/dev\/loop\d+:size=256000:rdev=\d+$/);
        const into = new Uint8Array(1000);
        await reader.readAt(512 * 500 - 1000, into);
        assert.deepEqual(into, bytes.slice(512 * 500 - 1000, 512 * 500));
      } finally {
        run("losetup", ["--detach", device]);
      }
    });
  },
});
