/** What a program built of this tree may do, whatever it is built with. */
export const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-env",
  "--allow-run=make",
  "--allow-ffi",
  "--no-prompt",
] as const;
