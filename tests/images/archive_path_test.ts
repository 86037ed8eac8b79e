import assert from "node:assert/strict";
import { archivePath } from "../../lib/images/archive_path.ts";

Deno.test("archivePath() gives the path inside, and none for what leads out", () => {
  const cases: [string, string | undefined][] = [
    ["", ""],
    ["./", ""],
    ["/", ""],
    ["a", "a"],
    ["./a//b/./c/", "a/b/c"],
    ["/etc/passwd", "etc/passwd"],
    ["..", undefined],
    ["a/../../b", undefined],
    ["a/..b/...", "a/..b/..."],
  ];
  for (const [name, path] of cases) assert.equal(archivePath(name), path, name);
});
