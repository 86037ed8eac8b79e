/**
 * The other end of the USB/IP benchmark, run as a worker so that it has a thread of its own: answers every
 * URB at once with zeros, in batches, and knows only what the benchmark asks for.
 */
import { buildDescriptors, smooShape } from "../support/usb_descriptors.ts";

const descriptors = buildDescriptors(smooShape("BENCH"));
const zeros = new Uint8Array(1024 * 1024 + 48);

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
postMessage((listener.addr as Deno.NetAddr).port);
for await (const conn of listener) serve(conn).catch(() => {}).finally(() => close(conn));

declare function postMessage(message: unknown): void;

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  const input = new Uint8Array(256 * 1024);
  const view = new DataView(input.buffer);
  const output = new Uint8Array(256 * 1024);
  const out = new DataView(output.buffer);
  let start = 0;
  let end = 0;
  const need = async (count: number) => {
    while (end - start < count) {
      if (start + count > input.length) {
        input.copyWithin(0, start, end);
        end -= start;
        start = 0;
      }
      const got = await conn.read(input.subarray(end));
      if (got === null) throw new Error("end");
      end += got;
    }
  };
  await need(8);
  if (view.getUint16(2) === 0x8005) {
    await write(conn, Uint8Array.of(1, 0x11, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1));
    return await write(conn, deviceRecord());
  }
  await need(40);
  start += 40;
  await write(conn, Uint8Array.of(1, 0x11, 0, 3, 0, 0, 0, 0));
  await write(conn, deviceRecord());
  for (;;) {
    let used = 0;
    await need(48);
    while (end - start >= 48 && used + 48 + 512 <= output.length) {
      const isSubmit = view.getUint32(start) === 1;
      const isIn = view.getUint32(start + 12) === 1;
      const endpoint = view.getUint32(start + 16);
      const length = view.getUint32(start + 24);
      output.fill(0, used, used + 48);
      out.setUint32(used, isSubmit ? 3 : 4);
      out.setUint32(used + 4, view.getUint32(start + 4));
      const control = endpoint === 0 ? controlData(view, start + 40) : undefined;
      const moved = Math.min(length, control?.length ?? length);
      out.setUint32(used + 24, moved);
      start += 48;
      used += 48;
      if (!isSubmit) continue;
      if (!isIn) {
        await skip(length);
        continue;
      }
      if (moved > 512) {
        await write(conn, output.subarray(0, used));
        await write(conn, zeros.subarray(0, moved));
        used = 0;
        continue;
      }
      if (control !== undefined) output.set(control.subarray(0, moved), used);
      used += moved;
    }
    await write(conn, output.subarray(0, used));
  }

  async function skip(count: number): Promise<void> {
    const staged = Math.min(count, end - start);
    start += staged;
    for (let left = count - staged; left > 0;) {
      start = end = 0;
      const got = await conn.read(input.subarray(0, Math.min(left, input.length)));
      if (got === null) throw new Error("end");
      left -= got;
    }
  }
}

function controlData(view: DataView, setup: number): Uint8Array {
  if (view.getUint8(setup + 1) !== 6) return new Uint8Array(0);
  const kind = view.getUint8(setup + 3);
  if (kind === 1) return descriptors.device;
  if (kind === 2) return descriptors.configuration;
  return descriptors.strings[view.getUint8(setup + 2)] ?? new Uint8Array(0);
}

function deviceRecord(): Uint8Array {
  const record = new Uint8Array(312);
  new TextEncoder().encodeInto("1-1", record.subarray(256));
  const view = new DataView(record.buffer);
  view.setUint32(288, 1);
  view.setUint32(292, 2);
  view.setUint32(296, 3);
  return record;
}

async function write(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

function close(conn: Deno.TcpConn): void {
  conn.close();
}
