/**
 * What a module prints when it runs at a terminal, where Deno asks for the permissions it lacks. Nobody
 * answers: a question ends the run. Undefined where there is no script(1).
 */
export async function runAtTerminal(flags: string[], code: string): Promise<string | undefined> {
  const path = await Deno.makeTempFile({ prefix: "fastboop-terminal-", suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, code);
    const command = [Deno.execPath(), "run", ...flags, path].join(" ");
    const { code: status, stdout } = await new Deno.Command("timeout", {
      args: ["20", "script", "-qec", command, "/dev/null"],
      stdin: "null",
      stderr: "null",
    }).output();
    return status === 127 ? undefined : new TextDecoder().decode(stdout).trim();
  } finally {
    await Deno.remove(path);
  }
}
