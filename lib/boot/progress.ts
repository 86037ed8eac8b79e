/** What a run tells the person who waits for it. The CLI draws it; tests record it. */
export interface Progress {
  /** A phase begins; one line. */
  phase(text: string): void;
  /** A fact worth keeping on the screen; one line. */
  note(text: string): void;
  /** Where the running phase stands; replaces what it said before. */
  moving(text: string): void;
  /** Something is wrong but not fatal. */
  warn(text: string): void;
}
