import type { Progress } from "../../lib/boot/progress.ts";

/** Keeps what was told, a line each with its sort in front. */
export class RecordedProgress implements Progress {
  readonly lines: string[] = [];

  phase(text: string): void {
    this.lines.push(`phase ${text}`);
  }

  note(text: string): void {
    this.lines.push(`note ${text}`);
  }

  moving(text: string): void {
    this.lines.push(`moving ${text}`);
  }

  warn(text: string): void {
    this.lines.push(`warn ${text}`);
  }

  /** How many lines match. */
  count(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }
}
