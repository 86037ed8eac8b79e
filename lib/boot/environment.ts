/** The environment variables a run looks at, read once by the command line's side. */
export type Environment = Readonly<Record<string, string | undefined>>;
