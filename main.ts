/** fastboop: live-boots Linux on a phone through its bootloader's fastboot mode. */
import { VERSION } from "./lib/cli/version.ts";

async function start(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    console.log(VERSION);
    return 0;
  }
  // Half of a start's time: commander brings node's file system and processes with it.
  const { run } = await import("./lib/cli/run.ts");
  return await run(argv);
}

if (import.meta.main) Deno.exit(await start(Deno.args));
