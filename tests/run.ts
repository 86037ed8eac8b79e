/**
 * Runs the tests below one folder and prints the closing line `N passed, N failed, N skipped`.
 *
 * A run may not pass by skipping: when every test of a room was skipped the run fails, and with CI
 * set, where all tools are installed, so it does for every single file.
 */
const ROOT = import.meta.dirname!.replace(/tests$/, "");

/** With the lab's set-up on a new machine, which builds two kernels in about 15 minutes. */
const LAB_DEADLINE_MS = 35 * 60_000;
const DEADLINE_MS = 20 * 60_000;

interface FileResult {
  file: string;
  passed: number;
  failed: number;
  skipped: number;
}

/** Counts per test file from the JUnit report that `deno test --junit-path` writes. */
function parseJunit(xml: string): FileResult[] {
  const results: FileResult[] = [];
  for (const suite of xml.matchAll(/<testsuite name="([^"]*)"([^>]*)>/g)) {
    const attribute = (name: string) =>
      Number(new RegExp(` ${name}="(\\d+)"`).exec(suite[2]!)?.[1] ?? 0);
    const failed = attribute("failures") + attribute("errors");
    const skipped = attribute("disabled") + attribute("skipped");
    const file = suite[1]!.replace(/^(\.\/|file:\/\/)/, "").replace(ROOT, "");
    results.push({ file, failed, skipped, passed: attribute("tests") - failed - skipped });
  }
  return results;
}

/** Names of rooms, and in CI of files, in which nothing ran. */
function allSkipped(results: FileResult[]): string[] {
  const groups = new Map<string, { ran: number; skipped: number }>();
  const add = (key: string, result: FileResult) => {
    const group = groups.get(key) ?? { ran: 0, skipped: 0 };
    group.ran += result.passed + result.failed;
    group.skipped += result.skipped;
    groups.set(key, group);
  };
  for (const result of results) {
    add(result.file.split("/").slice(0, -1).join("/") + "/", result);
    if (Deno.env.get("CI")) add(result.file, result);
  }
  return [...groups].filter(([, g]) => g.ran === 0 && g.skipped > 0).map(([key]) => key);
}

async function main(folder: string): Promise<number> {
  const report = await Deno.makeTempFile({ prefix: "fastboop-junit-" });
  const lab = folder.replace(/\/$/, "").endsWith("tests/lab");
  const ignore = lab ? [] : ["--ignore=tests/lab,tests/bench"];
  const test = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--quiet", `--junit-path=${report}`, ...ignore, folder],
    cwd: ROOT,
  }).spawn();
  // A test that hangs must not hold a machine: the run is ended and counts as failed.
  const deadline = setTimeout(() => test.kill("SIGKILL"), lab ? LAB_DEADLINE_MS : DEADLINE_MS);
  const status = await test.status;
  clearTimeout(deadline);
  const results = parseJunit(await Deno.readTextFile(report));
  await Deno.remove(report);
  const sum = (key: "passed" | "failed" | "skipped") => results.reduce((n, r) => n + r[key], 0);
  const empty = allSkipped(results);
  for (const name of empty) {
    console.error(`every test of ${name} was skipped: install what it names`);
  }
  const failed = sum("failed") + empty.length + (status.success || sum("failed") > 0 ? 0 : 1);
  console.log(`${sum("passed")} passed, ${failed} failed, ${sum("skipped")} skipped`);
  return failed === 0 && sum("passed") > 0 ? 0 : 1;
}

if (import.meta.main) {
  Deno.exit(await main(Deno.args[0] ?? "tests"));
}
