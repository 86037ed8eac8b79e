/**
 * `deno task fuzz [--seconds N] [TARGET...]`: damaged inputs for every parser until the time is over (60 s for
 * each target). A case that fails is kept in a file beside its story, and the exit code is 1.
 */
import { FuzzFailure, runCases } from "./run_cases.ts";
import { OWN_TESTS, TARGETS } from "./targets.ts";

const ALL = [...TARGETS, ...OWN_TESTS];
const ROUND = 5000;

function readWords(words: string[]): { seconds: number; names: string[] } {
  const at = words.indexOf("--seconds");
  if (at < 0) return { seconds: 60, names: words };
  const seconds = Number(words[at + 1]);
  if (!(seconds > 0)) throw new Error("--seconds takes a number above 0");
  return { seconds, names: [...words.slice(0, at), ...words.slice(at + 2)] };
}

const { seconds, names } = readWords(Deno.args);
const unknown = names.filter((name) => !ALL.some((target) => target.name === name));
if (unknown.length > 0) {
  console.error(`no such target: ${unknown.join(", ")}; there are`);
  for (const { name } of ALL) console.error(`  ${name}`);
  Deno.exit(2);
}
let failed = 0;
for (const target of ALL) {
  if (names.length > 0 && !names.includes(target.name)) continue;
  const inputs = await target.seeds();
  if (inputs.length === 0) {
    console.log(`${target.name}: left out, the tool that makes its inputs is missing`);
    continue;
  }
  const start = Date.now();
  let cases = 0;
  try {
    for (let seed = start; Date.now() - start < seconds * 1000; seed += 1000) {
      const tally = await runCases(target, inputs, seed, ROUND);
      cases += tally.cases;
    }
    console.log(`${target.name}: ${cases} cases, first seed ${start}`);
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    const path = await Deno.makeTempFile({ prefix: "fastboop-fuzz-" });
    await Deno.writeFile(path, error.input);
    console.error(`${error.message}\n  input kept in ${path}`, error.cause);
    failed++;
  }
}
Deno.exit(failed > 0 ? 1 : 0);
