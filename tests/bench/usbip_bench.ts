/** How fast the USB/IP client is, against a server on loopback that answers at once. */
import { UsbIpBus } from "../../lib/usb/usbip/usbip_bus.ts";
import type { UsbLink } from "../../lib/usb/link.ts";
import type { BenchRow } from "./bench.ts";

const SMALL_BYTES = 28;
const BULK_BYTES = 1024 * 1024;

/** Small transfers per second, bytes per second both ways, and the time of one lone transfer. */
export async function bench(): Promise<BenchRow[]> {
  const worker = new Worker(new URL("./usbip_bench_server.ts", import.meta.url), {
    type: "module",
  });
  try {
    const port = await new Promise<number>((resolve, reject) => {
      worker.onmessage = (event) => resolve(event.data);
      worker.onerror = reject;
    });
    const bus = new UsbIpBus(`usbip://127.0.0.1:${port}`);
    await using link = await openFirst(bus);
    const small = async () => {
      const { length } = await link.transferIn(0x85, SMALL_BYTES);
      if (length !== SMALL_BYTES) throw new Error(`${length} bytes came`);
    };
    await inFlight(32, 20_000, small);
    const smallMs = await inFlight(64, 200_000, small);
    const loneMs = await inFlight(1, 5000, small);
    const buffers = Array.from({ length: 4 }, () => new Uint8Array(BULK_BYTES));
    const inMs = await inFlight(4, 3000, (turn) => {
      return link.transferIn(0x81, BULK_BYTES, { into: buffers[turn % 4]! });
    });
    const payload = new Uint8Array(BULK_BYTES);
    const outMs = await inFlight(4, 3000, () => link.transferOut(0x02, payload));
    const perSecond = 200_000 / smallMs * 1000;
    const gibPerSecond = (ms: number) => 3000 / 1024 / ms * 1000;
    return [
      {
        name: "USB/IP small transfers, 64 in flight",
        figure: `${Math.round(perSecond)}/s`,
        target: ">= 95000/s",
        ok: perSecond >= 95_000,
      },
      {
        name: "USB/IP lone small transfer",
        figure: `${(loneMs / 5000).toFixed(3)} ms`,
        target: "<= 0.1 ms",
        ok: loneMs / 5000 <= 0.1,
      },
      rate("USB/IP bulk IN, 1 MiB, 4 in flight", gibPerSecond(inMs)),
      rate("USB/IP bulk OUT, 1 MiB, 4 in flight", gibPerSecond(outMs)),
    ];
  } finally {
    worker.terminate();
  }
}

function rate(name: string, gibPerSecond: number): BenchRow {
  return {
    name,
    figure: `${gibPerSecond.toFixed(2)} GiB/s`,
    target: "> 1 GiB/s",
    ok: gibPerSecond > 1,
  };
}

async function openFirst(bus: UsbIpBus): Promise<UsbLink> {
  const [device] = await bus.list();
  const link = await device?.open((candidate) => candidate.classCode === 0xff);
  if (link === undefined) throw new Error("the benchmark's device did not open");
  return link;
}

/** Runs `work` `count` times with `depth` at once; the whole time in ms. */
async function inFlight(
  depth: number,
  count: number,
  work: (turn: number) => Promise<unknown>,
): Promise<number> {
  const startMs = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: depth }, lane));
  return performance.now() - startMs;
}

if (import.meta.main) console.table(await bench());
