import type { StoredBytes } from "./storage.ts";

/** All bytes of a file, which is closed; of one beyond the limit, as many as that. */
export async function readWhole(file: StoredBytes, limitBytes: number): Promise<Uint8Array> {
  try {
    const pieces: Uint8Array[] = [];
    let done = 0;
    for (;;) {
      const piece = new Uint8Array(Math.min(64 << 10, limitBytes - done));
      const count = await file.read(done, piece);
      pieces.push(piece.subarray(0, count));
      done += count;
      if (count < piece.length || done === limitBytes) break;
    }
    const whole = new Uint8Array(done);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  } finally {
    await file.close();
  }
}
