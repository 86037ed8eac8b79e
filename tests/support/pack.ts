/**
 * `deno task pack [FILE]`: one file of the deno that runs this, for where `deno compile` cannot fetch its
 * runtime. A POSIX shell script with the program, its npm packages and deno behind it: it unpacks itself
 * once, into the cache of whoever runs it, and needs neither network nor deno.
 */
import { PERMISSIONS } from "./permissions.ts";

const ROOT = import.meta.dirname!.replace(/\/tests\/support$/, "");
const PROGRAM = ["deno.json", "deno.lock", "main.ts", "lib", "stage0/prebuilt", "LICENSE"];

if (Deno.build.os === "windows") {
  console.error("a packed program is a shell script: Windows has none");
  Deno.exit(1);
}
const output = Deno.args[0] ?? `${ROOT}/dist/fastboop-${Deno.build.target}.run`;
const folder = await Deno.makeTempDir({ prefix: "fastboop-pack-" });
try {
  await fill(`${folder}/content`);
  await run("sh", ["-c", 'tar -C content -cf - . | gzip -c > "$0"', "payload"]);
  const payload = await Deno.readFile(`${folder}/payload`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", payload)).toHex();
  await Deno.mkdir(output.replace(/[^/]*$/, "") || ".", { recursive: true });
  using file = await Deno.open(output, { write: true, create: true, truncate: true, mode: 0o755 });
  const script = new TextEncoder().encode(launcher(digest.slice(0, 16)));
  await new Blob([script, payload]).stream().pipeTo(file.writable);
  console.log(output);
} finally {
  await Deno.remove(folder, { recursive: true });
}

/** The program, its packages and deno itself. */
async function fill(content: string): Promise<void> {
  await Deno.mkdir(`${content}/program/stage0`, { recursive: true });
  for (const name of PROGRAM) {
    await run("cp", ["-R", `${ROOT}/${name}`, `${content}/program/${name}`]);
  }
  // A cache of its own: whoever packs may have far more in theirs.
  const env = { DENO_DIR: `${content}/cache` };
  await run(
    Deno.execPath(),
    ["cache", "--quiet", "--frozen", "main.ts"],
    env,
    `${content}/program`,
  );
  for (const { name } of Deno.readDirSync(`${content}/cache`)) {
    if (name !== "npm") await Deno.remove(`${content}/cache/${name}`, { recursive: true });
  }
  await Deno.copyFile(Deno.execPath(), `${content}/deno`);
}

/** The script in front; the payload begins behind its last line. */
function launcher(digest: string): string {
  const lines = [
    "#!/bin/sh",
    "# fastboop. Unpacks what is behind this script, once, and runs it.",
    "set -eu",
    `home="\${XDG_CACHE_HOME:-\$HOME/.cache}/fastboop/program-${digest}"`,
    'if ! [ -d "$home" ]; then',
    "  umask 077",
    '  mkdir -p "${home%/*}"',
    '  new=$(mktemp -d "$home.XXXXXX")',
    "  trap 'rm -rf \"$new\"' EXIT",
    "  trap 'exit 130' INT TERM",
    "  # Not straight into tar: only what ends a pipe tells whether it failed, and gzip has the checksum.",
    '  tail -n +LINES "$0" | gzip -dc >"$new/tar"',
    '  tar -C "$new" -xof "$new/tar"',
    '  rm "$new/tar"',
    "  # Renaming fails where somebody else was faster, and theirs is the same.",
    `  "$new/deno" eval 'Deno.renameSync(...Deno.args)' "$new" "$home" 2>/dev/null || [ -d "$home" ]`,
    '  rm -rf "$new"',
    "fi",
    'export DENO_DIR="$home/cache" DENO_NO_UPDATE_CHECK=1',
    'exec "$home/deno" run --quiet --cached-only --frozen --config="$home/program/deno.json" \\',
    `  ${PERMISSIONS.join(" ")} "$home/program/main.ts" "$@"`,
    "",
  ];
  return lines.join("\n").replace("LINES", String(lines.length));
}

async function run(
  program: string,
  args: string[],
  env: Record<string, string> = {},
  cwd = folder,
): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, env, cwd, stderr: "piped" })
    .output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}
