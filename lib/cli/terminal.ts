/**
 * Progress on stderr: a moving line on a terminal, plain lines elsewhere. stdout is never touched, it
 * belongs to data.
 */
import { createLogUpdate } from "log-update";
import { styleText } from "node:util";
import { printable } from "../bytes/printable.ts";
import type { Progress } from "../boot/progress.ts";

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
  // The stream shape log-update asks for, over Deno's own stderr.
  const update = createLogUpdate(
    {
      write: (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text)) > 0,
      isTTY: true,
      get columns() {
        return Deno.consoleSize().columns;
      },
    } as unknown as NodeJS.WriteStream,
    { showCursor: true },
  );
  const colour = !Deno.noColor;
  const style = (format: "bold" | "dim" | "yellow", text: string) =>
    colour ? styleText(format, text, { validateStream: false }) : text;
  let movingText = "";
  let shownAt = 0;
  const print = (text: string) => {
    update.clear();
    console.error(text);
    if (movingText) update(movingText);
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
        const now = performance.now();
        if (now - shownAt < FRAME_MS) return;
        shownAt = now;
        update(movingText);
      },
      warn: (text) => print(`${style("yellow", "warning:")} ${printable(text)}`),
    },
    close: () => {
      movingText = "";
      update.clear();
      update.done();
    },
  };
}
