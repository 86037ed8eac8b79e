/** argv -> verb -> exit code: the only place that ends errors, signals and output. */
import { Command as Program, CommanderError } from "commander";
import { exitCode } from "../errors/exit_codes.ts";
import { FastboopError } from "../errors/errors.ts";
import { renderError } from "../errors/render.ts";
import type { Command, CommandContext, Options } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { permissionError } from "./permission_error.ts";
import { catchSignals } from "./signals.ts";
import { openTerminal } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** Runs one command line; resolves to the exit code, never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  const terminal = openTerminal();
  const signals = catchSignals();
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    terminal.close();
    Deno.exit(report(event.reason));
  });
  try {
    let code = 0;
    const program = buildProgram(
      { signal: signals.signal, progress: terminal.progress },
      (result) => code = result,
    );
    await program.parseAsync(normalise(argv), { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, argv);
    terminal.close();
    const code = report(error);
    return code === exitCode("cancelled") ? signals.exitCode() : code;
  } finally {
    terminal.close();
    signals.release();
  }
}

/**
 * `--kernel` takes its directory only as `--kernel=DIR`: a bare `--kernel` must not swallow the word
 * after it, which may be the URL.
 */
function normalise(argv: readonly string[]): string[] {
  const end = argv.indexOf("--");
  return argv.map((word, i) => word === "--kernel" && (end < 0 || i < end) ? "--kernel=." : word);
}

/** commander has printed already: help, version, or what is wrong with the words. */
function endOfParsing(error: CommanderError, argv: readonly string[]): number {
  if (error.exitCode === 0) return 0;
  if (error.code === "commander.excessArguments" && argv.includes("--kernel")) {
    console.error("hint: the directory belongs to the option: --kernel=DIR");
  }
  return 2;
}

/** Tells an error on stderr; its exit code. */
function report(thrown: unknown): number {
  const error = permissionError(thrown);
  for (const line of renderError(error)) console.error(line);
  if (wantsDebug()) console.error(error);
  return exitCode(error instanceof FastboopError ? error.kind : "internal");
}

function wantsDebug(): boolean {
  try {
    return Boolean(Deno.env.get("FASTBOOP_DEBUG"));
  } catch {
    return false; // started without the right to read it: as if it were not set
  }
}

function buildProgram(context: CommandContext, done: (code: number) => void): Program {
  const program = new Program("fastboop")
    .description(
      "Live-boots Linux on a phone through its bootloader's fastboot mode, without writing to it.",
    )
    .version(VERSION, "-V, --version")
    // Help without colours, and without a look at the environment for them.
    .configureOutput({ getOutHasColors: () => false, getErrHasColors: () => false })
    .showHelpAfterError("hint: run it with --help for its options and an example")
    .addHelpText("after", `\nExample:\n  ${COMMANDS[0]!.examples[0]}`);
  const groups = new Map<string, Program>();
  for (const command of COMMANDS) {
    const names = command.name.split(" ");
    const leaf = names.pop()!;
    let parent = program;
    for (const name of names) {
      const group = groups.get(name) ?? parent.command(name).description(`${name} verbs`);
      groups.set(name, group);
      parent = group;
    }
    addVerb(parent, leaf, command, context, done);
  }
  throwInsteadOfExit(program);
  return program;
}

function addVerb(
  parent: Program,
  leaf: string,
  command: Command,
  context: CommandContext,
  done: (code: number) => void,
): void {
  const verb = parent.command(`${leaf} ${command.words}`.trim()).description(command.summary);
  for (const option of command.options) {
    if (option.parse) verb.option(option.flags, option.text, option.parse);
    else verb.option(option.flags, option.text);
  }
  const examples = command.examples.map((line) => `  ${line}`).join("\n");
  verb.addHelpText("after", `\nExample${command.examples.length > 1 ? "s" : ""}:\n${examples}`);
  verb.action(async () => done(await command.run([...verb.args], verb.opts<Options>(), context)));
}

/** commander ends the process by itself unless every command is told to throw. */
function throwInsteadOfExit(program: Program): void {
  program.exitOverride();
  for (const child of program.commands) throwInsteadOfExit(child);
}
