/** What the tests of the HTTP source share: a faulty server, a clock that the test moves, an image. */
import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { type HttpEvent, type HttpOptions, openHttp } from "../../lib/sources/http.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { ScriptedClock } from "../support/scripted_clock.ts";
export const IDLE_MS = 20_000;
export const FIRST_BYTE_MS = 30_000;
export const READ_MS = 60_000;

/** Every byte tells its offset, so that shifted or mixed data cannot pass. */
export function image(sizeBytes: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed) & 0xff;
  return bytes;
}

/** Fires back-offs by themselves; the deadlines of requests stand still. */
export function quickClock(): ScriptedClock {
  return new ScriptedClock((delayMs) => ![IDLE_MS, FIRST_BYTE_MS, READ_MS].includes(delayMs));
}

export interface Bench extends AsyncDisposable {
  server: FaultyHttp;
  clock: ScriptedClock;
  events: HttpEvent[];
  options: HttpOptions;
  open(path?: string): Promise<Reader>;
}

export function bench(bytes = image(100_000), more: HttpOptions = {}): Bench {
  const server = new FaultyHttp(bytes);
  const clock = quickClock();
  const events: HttpEvent[] = [];
  const options: HttpOptions = {
    clock,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    ...more,
  };
  return {
    server,
    clock,
    events,
    options,
    open: (path) => openHttp(server.url(path), options),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function read(reader: Reader, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  await reader.readAt(offset, into);
  return into;
}

export function failsWith(kind: string, state: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof FastboopError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.state, state);
    return true;
  };
}
