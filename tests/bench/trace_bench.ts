/**
 * The disk cache and the boot trace over a delayed link: 100 Mbit/s, 20 ms round trip, emulated in a loopback
 * server. A boot is a seeded sequence of reads of 4 to 128 KiB, in runs like files and in random places, with
 * gaps in which a phone would compute.
 */
import { TracedReader } from "../../lib/sources/boot_trace/traced_reader.ts";
import { DiskCache } from "../../lib/sources/disk_cache/disk_cache.ts";
import { openSource } from "../../lib/sources/open.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import type { BenchRow } from "./bench.ts";

const BYTES_PER_SECOND = 12_500_000;
const RTT_MS = 20;
const IMAGE_BYTES = 96 << 20;
/** From the opening of the image to the phone's first read: upload and kernel, on real phones longer. */
const HEAD_START_MS = 4000;
const LINK = "over 100 Mbit/s, 20 ms";

interface Step {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly gapMs: number;
}

interface Run {
  readonly seconds: number;
  readonly bytes: number;
  readonly waits: number;
  readonly hits: number;
}

export async function bench(): Promise<BenchRow[]> {
  const image = new Uint8Array(IMAGE_BYTES);
  for (let i = 0; i < image.length; i += 512) image[i] = (i >> 9) * 31;
  await using server = new FaultyHttp(image);
  server.link = { rttMs: RTT_MS, bytesPerSecond: BYTES_PER_SECOND };
  const directory = await Deno.makeTempDir({ prefix: "fastboop-bench-" });
  try {
    return [
      ...await boots(server, image, `${directory}/boots`),
      ...await sequential(server, `${directory}/sequential`),
    ];
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function boots(
  server: FaultyHttp,
  image: Uint8Array,
  directory: string,
): Promise<BenchRow[]> {
  const steps = recordedBoot();
  const first = await boot(server, image, directory, steps);
  const second = await boot(server, image, directory, steps);
  await removeBlocks(directory);
  const refetched = await boot(server, image, directory, steps);
  await removeBlocks(directory);
  const headStart = await boot(server, image, directory, steps, HEAD_START_MS);
  const share = (run: Run) => run.seconds / first.seconds;
  const figure = (run: Run) =>
    `${run.seconds.toFixed(2)} s (${share(run).toFixed(2)}x), ${
      (run.bytes / 2 ** 20).toFixed(1)
    } MiB, ${run.waits} waits`;
  const row = (name: string, run: Run, target: string, ok: boolean): BenchRow => {
    return { name: `boot ${LINK}: ${name}`, figure: figure(run), target, ok };
  };
  const isWarm = share(second) <= 0.5 && second.waits === 0 && second.hits > 0;
  return [
    row("first", first, "none", true),
    row("second", second, "<= 0.5x, 0 waits", isWarm),
    row("blocks evicted", refetched, "<= 0.5x", share(refetched) <= 0.5),
    row(
      `blocks evicted, ${HEAD_START_MS / 1000} s later`,
      headStart,
      "0 waits",
      headStart.waits === 0,
    ),
  ];
}

async function boot(
  server: FaultyHttp,
  image: Uint8Array,
  directory: string,
  steps: readonly Step[],
  headStartMs = 0,
): Promise<Run> {
  const before = server.requests.length;
  await using reader = await openTraced(server, directory);
  await pause(headStartMs);
  const start = performance.now();
  for (const { offsetBytes, lengthBytes, gapMs } of steps) {
    const into = new Uint8Array(lengthBytes);
    await reader.readAt(offsetBytes, into);
    for (let at = 0; at < into.length; at += 512) {
      if (into[at] !== image[offsetBytes + at]) {
        throw new Error(`wrong byte at ${offsetBytes + at}`);
      }
    }
    await pause(gapMs);
  }
  const seconds = (performance.now() - start) / 1000;
  const { foregroundWaits, hits } = reader.counters;
  const bytes = server.requests.slice(before).reduce((sum, { headers }) => {
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(headers.get("range") ?? "") ?? [];
    return sum + Number(to) - Number(from) + 1;
  }, 0);
  return { seconds, bytes, waits: foregroundWaits, hits };
}

async function openTraced(server: FaultyHttp, directory: string): Promise<TracedReader> {
  const diskCache = await DiskCache.open(directory);
  const reader = await openSource(server.url(), { diskCache, trace: "record+replay" });
  if (reader instanceof TracedReader) return reader;
  throw new Error("the source is not traced");
}

/** 120 files: some read in a row of pieces, most by a piece or two. */
function recordedBoot(): Step[] {
  let seed = 20261121;
  const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
  const steps: Step[] = [];
  for (let file = 0; file < 120; file++) {
    let offsetBytes = random((IMAGE_BYTES - (4 << 20)) / 4096) * 4096;
    const pieces = random(6) === 0 ? 8 : 1 + random(2);
    for (let piece = 0; piece < pieces; piece++) {
      const lengthBytes = (1 + random(32)) * 4096;
      steps.push({ offsetBytes, lengthBytes, gapMs: 1 + random(8) });
      offsetBytes += lengthBytes;
    }
  }
  return steps;
}

async function removeBlocks(directory: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) {
    if (name.endsWith(".blocks")) await Deno.remove(`${directory}/${name}`);
  }
}

async function sequential(server: FaultyHttp, directory: string): Promise<BenchRow[]> {
  const rates: number[] = [];
  for (let run = 0; run < 2; run++) {
    const diskCache = await DiskCache.open(directory);
    await using reader = await openSource(server.url("/sequential.ero"), { diskCache });
    const into = new Uint8Array(128 << 10);
    const start = performance.now();
    for (let at = 0; at < IMAGE_BYTES / 2; at += into.length) await reader.readAt(at, into);
    rates.push(IMAGE_BYTES / 2 / ((performance.now() - start) / 1000));
  }
  const [cold, warm] = rates as [number, number];
  return [{
    name: `disk cache ${LINK}: first read in sequence`,
    figure: `${(cold / BYTES_PER_SECOND * 100).toFixed(1)} % of line rate`,
    target: ">= 90 %",
    ok: cold >= 0.9 * BYTES_PER_SECOND,
  }, {
    name: "disk cache: second read in sequence, by 128 KiB",
    figure: `${Math.round(warm / 2 ** 20)} MiB/s`,
    target: ">= 200 MiB/s",
    ok: warm >= 200 * 2 ** 20,
  }];
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
