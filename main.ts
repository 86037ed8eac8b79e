/** fastboop: live-boots Linux on a phone through its bootloader's fastboot mode. */
import { run } from "./lib/cli/run.ts";

if (import.meta.main) Deno.exit(await run(Deno.args));
