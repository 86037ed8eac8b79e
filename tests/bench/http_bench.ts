/** A URL over a delayed link: 100 Mbit/s, 20 ms round trip, emulated in a loopback server. */
import { openSource } from "../../lib/sources/open.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import type { BenchRow } from "./bench.ts";

const BYTES_PER_SECOND = 12_500_000;
const RTT_MS = 20;
const IMAGE_BYTES = 48 << 20;

export async function bench(): Promise<BenchRow[]> {
  await using server = new FaultyHttp(new Uint8Array(IMAGE_BYTES));
  server.link = { rttMs: RTT_MS, bytesPerSecond: BYTES_PER_SECOND };
  const rows: BenchRow[] = [];
  for (const readBytes of [4 << 10, 128 << 10, 1 << 20]) {
    rows.push(await sequential(server.url(), readBytes));
  }
  rows.push(await random(server.url()));
  return rows;
}

async function sequential(url: string, readBytes: number): Promise<BenchRow> {
  await using reader = await openSource(url);
  const into = new Uint8Array(readBytes);
  const start = performance.now();
  for (let at = 0; at < IMAGE_BYTES; at += readBytes) await reader.readAt(at, into);
  const share = IMAGE_BYTES / ((performance.now() - start) / 1000) / BYTES_PER_SECOND;
  return {
    name: `URL over 100 Mbit/s, 20 ms: sequential by ${readBytes >> 10} KiB`,
    figure: `${(share * 100).toFixed(1)} % of line rate`,
    target: ">= 90 %",
    ok: share >= 0.9,
  };
}

async function random(url: string): Promise<BenchRow> {
  await using reader = await openSource(url);
  const into = new Uint8Array(4096);
  const times: number[] = [];
  for (let i = 0; i < 60; i++) {
    const at = (i * 2_654_435_761 % (IMAGE_BYTES - 4096)) & ~4095;
    const start = performance.now();
    await reader.readAt(at, into);
    times.push(performance.now() - start);
  }
  const median = times.sort((a, b) => a - b)[30]!;
  return {
    name: "URL over 100 Mbit/s, 20 ms: random miss of 4 KiB",
    figure: `${median.toFixed(1)} ms (median of 60)`,
    target: `<= 2 round trips, ${2 * RTT_MS} ms`,
    ok: median <= 2 * RTT_MS,
  };
}
