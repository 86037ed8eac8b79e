/** What the depmod bench starts: `TREE OUTPUT`, as `modules depmod TREE -o OUTPUT`; prints its peak memory. */
import { runModulesDepmod } from "../../lib/cli/run_depmod.ts";

const [tree, output] = Deno.args;
const quiet = { phase: () => {}, note: () => {}, moving: () => {}, warn: () => {} };
const context = { signal: new AbortController().signal, progress: quiet };
await runModulesDepmod([tree!], { output: output! }, context);
console.log(/^VmHWM:\s*(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]);
