/** The shape of one verb in the command table: what `--help` shows and what runs. */
import type { Progress } from "../boot/progress.ts";

/** What a verb is given besides its words. */
export interface CommandContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Values of the options, by camel-cased name. */
export type Options = Record<string, unknown>;

export interface CommandOption {
  /** As commander reads it: `-o, --output <file>`. */
  readonly flags: string;
  readonly text: string;
  /** Turns the word into a value; throws `usage`. Called once per use, `previous` is the value so far. */
  readonly parse?: (word: string, previous: unknown) => unknown;
}

export interface Command {
  /** Words of the verb: `boot`, `image ext4`. */
  readonly name: string;
  readonly summary: string;
  /** Positional words as commander reads them: `<url>`. */
  readonly words: string;
  readonly options: readonly CommandOption[];
  /** Complete command lines that work. */
  readonly examples: readonly string[];
  /** Loads and runs the verb; resolves to the exit code. */
  readonly run: (words: string[], options: Options, context: CommandContext) => Promise<number>;
}

/** For options that may be given several times. */
export const collect = (word: string, previous: unknown): string[] => [
  ...previous as string[] | undefined ?? [],
  word,
];
