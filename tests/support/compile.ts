/**
 * `deno task compile`: one executable with stage0 and the profiles inside, permissions baked in.
 * The compile runtime is fetched by deno itself; where it cannot be had this says so.
 */
import { PERMISSIONS } from "./permissions.ts";

const ROOT = import.meta.dirname!.replace(/\/tests\/support$/, "");
const target = Deno.args[0] ?? Deno.build.target;
const output = `${ROOT}/dist/fastboop-${target}`;

const { success, stderr } = await new Deno.Command(Deno.execPath(), {
  cwd: ROOT,
  args: [
    "compile",
    "--frozen",
    "--exclude-unused-npm",
    ...PERMISSIONS,
    "--include=stage0/prebuilt",
    "--include=lib/profiles/devices",
    "--include=lib/kernel/sets",
    "--include=lib/images/xz/xz_worker.ts",
    "--include=lib/filesystems/worker/image_worker.ts",
    `--target=${target}`,
    `--output=${output}`,
    "main.ts",
  ],
  env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
  stderr: "piped",
}).output();
const text = new TextDecoder().decode(stderr).split("Stack backtrace")[0]!.trim();
if (success) {
  console.log(output);
} else if (/Setting up base binary/.test(text)) {
  const reason = /error sending request.*?: (.*)/.exec(text)?.[1] ?? "fetch failed";
  console.error(`cannot compile here: deno cannot fetch its compile runtime (${reason})`);
  console.error("`deno task pack` makes one file without it");
} else {
  console.error(text);
}
Deno.exit(success ? 0 : 1);
