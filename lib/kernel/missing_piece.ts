/** Something the tree lacks, with the make target that builds it; all of them make one error. */
import { FastboopError } from "../errors/errors.ts";

export interface MissingPiece {
  /** `kernel image: ...`, one line. */
  readonly text: string;
  /** Targets to build, `bzImage` or `modules`. */
  readonly targets: readonly string[];
}

/**
 * One `tree` error that lists all pieces, with one command per target in the hint.
 *
 * @param makeArgs arguments before the target, as makeArguments() gives them.
 */
export function missingPiecesError(
  outDir: string,
  pieces: readonly MissingPiece[],
  makeArgs: readonly string[],
): FastboopError {
  const targets = [...new Set(pieces.flatMap((piece) => piece.targets))];
  const command = ["make", ...makeArgs, "-j$(nproc)"].join(" ");
  const lines = pieces.map(({ text }) => text);
  return new FastboopError({
    kind: "tree",
    action: `Use kernel tree "${outDir}"`,
    state: lines.length === 1
      ? lines[0]!
      : [`${lines.length} things are not ready`, ...lines.map((line) => `  ${line}`)].join("\n"),
    hint: ["Build what is missing:", ...targets.map((target) => `${command} ${target}`)].join("\n"),
  });
}
