/**
 * The one place where USB/IP meets the operating system: a TCP connection, and what its failures mean.
 *
 * Nagle's algorithm is off: an answer of 48 bytes would otherwise wait for the previous one's
 * acknowledgement, which was measured as 4 ms instead of 0.9 ms per interrupt round trip.
 */
import { printable } from "../../bytes/printable.ts";
import type { ByteStream } from "./byte_stream.ts";

/** Connects by TCP; the signal stops the attempt, not the stream that comes of it. */
export async function connectTcp(
  hostname: string,
  port: number,
  signal: AbortSignal,
): Promise<ByteStream> {
  const conn = await Deno.connect({ hostname, port, signal });
  conn.setNoDelay(true);
  let open = true;
  return {
    read: (into) => conn.read(into),
    write: (from) => conn.write(from),
    close: () => {
      if (!open) return;
      open = false;
      conn.close();
    },
  };
}

/** What a failed connection, read or write means for the one who asked. */
export type ConnectionFault = { kind: "permission" | "address" | "silent"; text: string };

/**
 * Sorts a platform error: `permission` (Deno or the system refuses), `address` (no such host), or
 * `silent`: nobody answers there now, which may be different a second later.
 */
export function connectionFault(error: unknown): ConnectionFault {
  const text = error instanceof Error ? printable(error.message) : printable(String(error));
  if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) {
    return { kind: "permission", text };
  }
  if (/failed to lookup address|name or service not known|no such host/i.test(text)) {
    return { kind: "address", text: "the host name is not known" };
  }
  if (error instanceof Deno.errors.ConnectionRefused) {
    return { kind: "silent", text: "the connection was refused" };
  }
  if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
    return { kind: "silent", text: "the connection was reset" };
  }
  return { kind: "silent", text };
}
