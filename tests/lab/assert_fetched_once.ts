import assert from "node:assert/strict";
import type { BootSession } from "./boot_session.ts";

/** Probes and reads ahead that overlap, of the whole file. */
const MOST_TWICE = 0.02;

/**
 * Every byte of the root's file that was asked for was asked for once: what is decoded once is not fetched for
 * a second decoder.
 */
export async function assertFetchedOnce(
  { web, lab, rootUrl }: Pick<BootSession, "web" | "rootUrl"> & { lab: { rootImage: string } },
): Promise<void> {
  const { size } = await Deno.stat(lab.rootImage);
  const path = new URL(rootUrl).pathname;
  const ranges = web.requests
    .filter((request) => request.path === path && request.method === "GET")
    .map(({ range }) => {
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "bytes=0-") ?? [];
      const end = last === "" ? size : Math.min(size, Number(last) + 1);
      return { first: Number(first), end };
    })
    .sort((a, b) => a.first - b.first);
  let twiceBytes = 0;
  let end = 0;
  for (const range of ranges) {
    twiceBytes += Math.max(0, Math.min(end, range.end) - range.first);
    end = Math.max(end, range.end);
  }
  assert.ok(ranges.length > 0);
  assert.ok(twiceBytes <= size * MOST_TWICE, `${twiceBytes} of ${size} bytes were fetched twice`);
}
