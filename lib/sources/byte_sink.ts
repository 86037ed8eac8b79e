/** The contract of something that takes bytes front to back: a file, a pipe, a test double. */
export interface ByteSink {
  /** Takes all of `bytes`; the caller may reuse the array once this has settled. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Takes that many zero bytes without being sent them; absent where holes are impossible. */
  skip?(countBytes: number): void | Promise<void>;
}
