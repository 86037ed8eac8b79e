/** A connected byte stream and how to make one: the seam between the USB/IP protocol and the network. */

export interface ByteStream {
  /** Reads at least one byte into `into`; null at the end of the stream. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes at least one byte of `from` and says how many. */
  write(from: Uint8Array): Promise<number>;
  /** Ends both directions; reads and writes under way reject. May be called twice. */
  close(): void;
}

/** Connects to a server. Rejects with whatever the platform throws; `connect.ts` explains it. */
export type OpenStream = (
  hostname: string,
  port: number,
  signal: AbortSignal,
) => Promise<ByteStream>;

/** Fills `into` from the stream; false when the stream ends before that. */
export async function readExactly(stream: ByteStream, into: Uint8Array): Promise<boolean> {
  let got = 0;
  while (got < into.length) {
    const count = await stream.read(into.subarray(got));
    if (count === null) return false;
    got += count;
  }
  return true;
}

/** Writes all of `from`. */
export async function writeAll(stream: ByteStream, from: Uint8Array): Promise<void> {
  let sent = 0;
  while (sent < from.length) sent += await stream.write(from.subarray(sent));
}
