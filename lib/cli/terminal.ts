/**
 * Progress on stderr: a moving line on a terminal, plain lines elsewhere. stdout is never touched, it
 * belongs to data.
 */
import { styleText } from "node:util";
import { printable } from "../bytes/printable.ts";
import type { Progress } from "../boot/progress.ts";

type LogUpdate = ReturnType<typeof import("log-update").createLogUpdate>;

const FRAME_MS = 100;

export interface Terminal {
  readonly progress: Progress;
  /** Takes the moving line away; safe to call twice. */
  close(): void;
}

export function openTerminal(): Terminal {
  return Deno.stderr.isTerminal() ? movingTerminal() : plainTerminal();
}

/** One line per phase, note and warning; the moving text only at the end of a phase is not shown. */
function plainTerminal(): Terminal {
  const line = (text: string) => console.error(printable(text));
  return {
    progress: {
      phase: (text) => line(`==> ${text}`),
      note: (text) => line(`    ${text}`),
      moving: () => {},
      warn: (text) => line(`warning: ${text}`),
    },
    close: () => {},
  };
}

function movingTerminal(): Terminal {
  let update: LogUpdate | undefined;
  let isClosed = false;
  // Loaded when the first thing moves: most runs, help among them, end before.
  const load = async () => {
    const { createLogUpdate } = await import("log-update");
    if (!isClosed) update = createLogUpdate(stderrStream(), { showCursor: true });
  };
  let loading: Promise<void> | undefined;
  const colour = !Deno.noColor;
  const style = (format: "bold" | "dim" | "yellow", text: string) =>
    colour ? styleText(format, text, { validateStream: false }) : text;
  let movingText = "";
  let shownAt = 0;
  const print = (text: string) => {
    update?.clear();
    console.error(text);
    if (movingText) update?.(movingText);
  };
  return {
    progress: {
      phase: (text) => {
        movingText = "";
        print(`${style("bold", "==>")} ${printable(text)}`);
      },
      note: (text) => print(`    ${printable(text)}`),
      moving: (text) => {
        movingText = `    ${style("dim", printable(text))}`;
        loading ??= load().catch(() => {}); // without it nothing moves
        const now = performance.now();
        if (update === undefined || now - shownAt < FRAME_MS) return;
        shownAt = now;
        update(movingText);
      },
      warn: (text) => print(`${style("yellow", "warning:")} ${printable(text)}`),
    },
    close: () => {
      isClosed = true;
      movingText = "";
      update?.clear();
      update?.done();
      update = undefined;
    },
  };
}

/** The stream shape log-update asks for, over Deno's own stderr. */
function stderrStream(): NodeJS.WriteStream {
  return {
    write: (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text)) > 0,
    isTTY: true,
    get columns() {
      return Deno.consoleSize().columns;
    },
  } as unknown as NodeJS.WriteStream;
}
