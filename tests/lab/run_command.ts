export interface CommandOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Text given on standard input. */
  input?: string;
}

/**
 * Runs a foreign tool to its end.
 *
 * @returns its standard output.
 * @throws {Error} with the tool's last lines when it fails or is missing.
 */
export async function runCommand(
  command: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { LC_ALL: "C", ...options.env },
  }).spawn();
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.input));
    await writer.close();
  }
  const result = await child.output();
  const stdout = new TextDecoder().decode(result.stdout);
  if (!result.success) {
    const said = `${stdout}\n${new TextDecoder().decode(result.stderr)}`.trim().split("\n");
    throw new Error(`${command.join(" ")}: exit ${result.code}\n${said.slice(-20).join("\n")}`);
  }
  return stdout;
}
