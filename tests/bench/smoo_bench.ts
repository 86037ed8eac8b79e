/**
 * The smoo pump over a cable in memory: requests and bytes per second with every byte compared, and
 * the memory a serving process needs. The phone's half runs in the same thread, so what is measured is
 * the host, the test phone and the comparison together.
 */
import { SmooHost } from "../../lib/smoo/host.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { MemoryCable } from "../support/memory_link.ts";
import { PatternReader } from "../support/pattern_reader.ts";
import { SmooPhone } from "../support/smoo_phone.ts";
import type { BenchRow } from "./bench.ts";

const MiB = 2 ** 20;
const BLOCK_BYTES = 4096;
const DISK_BYTES = 64 * MiB;
const DEPTH = 16;

/** Runs `work` while `goesOn` says so, sixteen at a time. */
async function inParallel(
  goesOn: (index: number) => boolean,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (goesOn(next)) await work(next++);
  };
  await Promise.all(Array.from({ length: DEPTH }, worker));
}

/** Serves `reader` to a phone while `work` runs. */
async function serving(
  reader: Reader,
  work: (phone: SmooPhone) => Promise<void>,
): Promise<void> {
  const host = new SmooHost([{ id: 1, name: "bench", reader, blockSizeBytes: BLOCK_BYTES }]);
  const cable = new MemoryCable();
  const phone = new SmooPhone({ queueDepth: DEPTH });
  phone.attach(cable.port);
  const stop = new AbortController();
  const ended = host.serve(cable.link, { signal: stop.signal });
  await phone.online;
  await phone.read(1, 0, 1);
  await work(phone);
  stop.abort();
  await ended;
  if (phone.faults.length > 0) throw new Error(phone.faults[0]);
}

/** A disk whose bytes are made once, so that making them is not what is measured. */
function readyDisk(): { reader: Reader; bytes: Uint8Array } {
  const pattern = new PatternReader({
    seed: 0xdead,
    blockSizeBytes: BLOCK_BYTES,
    sizeBytes: DISK_BYTES,
  });
  const bytes = new Uint8Array(DISK_BYTES);
  pattern.fill(0, bytes);
  const reader: Reader = {
    sizeBytes: DISK_BYTES,
    identity: pattern.identity,
    readAt: (offsetBytes, into) => {
      into.set(bytes.subarray(offsetBytes, offsetBytes + into.length));
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { reader, bytes };
}

async function smallReads(): Promise<BenchRow[]> {
  const count = 200_000;
  const latenciesMs = new Float64Array(count);
  const { reader, bytes } = readyDisk();
  let seconds = 0;
  await serving(reader, async (phone) => {
    const startMs = performance.now();
    await inParallel((index) => index < count, async (index) => {
      const lba = Math.floor(Math.random() * DISK_BYTES / BLOCK_BYTES);
      const beginMs = performance.now();
      const at = lba * BLOCK_BYTES;
      await phone.verify(1, lba, 1, bytes.subarray(at, at + BLOCK_BYTES));
      latenciesMs[index] = performance.now() - beginMs;
    });
    seconds = (performance.now() - startMs) / 1000;
  });
  const perSecond = Math.round(count / seconds);
  const p99Ms = latenciesMs.sort()[Math.floor(count * 0.99)]!;
  return [
    {
      name: "smoo: 4 KiB random reads, depth 16, all compared",
      figure: `${perSecond} reads/s`,
      target: ">= 20000 reads/s",
      ok: perSecond >= 20_000,
    },
    {
      name: "smoo: the same, latency of the slowest hundredth",
      figure: `${p99Ms.toFixed(2)} ms`,
      target: "<= 5 ms",
      ok: p99Ms <= 5,
    },
  ];
}

async function largeReads(): Promise<BenchRow> {
  const count = 4096;
  const { reader, bytes } = readyDisk();
  let seconds = 0;
  await serving(reader, async (phone) => {
    const startMs = performance.now();
    await inParallel((index) => index < count, async (index) => {
      const at = (index * MiB) % DISK_BYTES;
      await phone.verify(1, at / BLOCK_BYTES, 256, bytes.subarray(at, at + MiB));
    });
    seconds = (performance.now() - startMs) / 1000;
  });
  const perSecond = Math.round(count / seconds);
  return {
    name: "smoo: 1 MiB sequential reads, depth 16, all compared",
    figure: `${perSecond} MiB/s`,
    target: ">= 800 MiB/s",
    ok: perSecond >= 800,
  };
}

/** The child's work: an 8 GiB disk, read at random in all sizes for ten seconds. */
async function serveLargeDisk(): Promise<void> {
  const sizeBytes = 8 * 2 ** 30;
  const reader = new PatternReader({ seed: 8, blockSizeBytes: BLOCK_BYTES, sizeBytes });
  const endMs = performance.now() + 10_000;
  let served = 0;
  await serving(reader, async (phone) => {
    await inParallel(() => performance.now() < endMs, async () => {
      const numBlocks = 2 ** Math.floor(Math.random() * 9);
      const lba = Math.floor(Math.random() * (sizeBytes / BLOCK_BYTES - numBlocks));
      await phone.read(1, lba, numBlocks);
      served += numBlocks * BLOCK_BYTES;
    });
  });
  console.log(served);
}

async function memory(): Promise<BenchRow> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", import.meta.filename!],
    stdout: "piped",
  }).spawn();
  let peakKib = 0;
  const sampler = setInterval(() => {
    try {
      const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
      peakKib = Math.max(peakKib, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {
      // It has just ended.
    }
  }, 50);
  const { success, stdout } = await child.output();
  clearInterval(sampler);
  const servedMib = Math.round(Number(new TextDecoder().decode(stdout)) / MiB);
  const peakMib = Math.round(peakKib / 1024);
  return {
    name: "smoo: peak memory, 8 GiB disk read at random for 10 s",
    figure: `${peakMib} MiB (${servedMib} MiB served)`,
    target: "<= 256 MiB",
    ok: success && servedMib > 0 && peakMib > 0 && peakMib <= 256,
  };
}

/** Figures of the smoo pump. */
export async function bench(): Promise<BenchRow[]> {
  return [...await smallReads(), await largeReads(), await memory()];
}

if (import.meta.main) await serveLargeDisk();
