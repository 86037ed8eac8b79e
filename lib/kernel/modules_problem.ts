/** One thing that is wrong in a release's directory. */
export interface ModulesProblem {
  /** File it is about, relative to that directory. */
  readonly path: string;
  readonly text: string;
}
