/**
 * The loop of the LZ4 decoder as a WebAssembly module, put together at start: what JavaScript does byte
 * by byte it does sixteen at a time.
 *
 *     decode(from, fromEnd, start, end) -> -1, or twice the bytes written, plus 1 when the input ended
 *
 * All four are addresses in the imported memory. Behind `fromEnd` and `end` there must be `SLACK_BYTES`
 * more: copies go in whole units, and what they write too far is written again or never looked at.
 *
 * Source: the WebAssembly core specification, binary format.
 */

/** Bytes that must follow the input and the output in memory. */
export const SLACK_BYTES = 32;

/** Fewest bytes a match copies. */
const MIN_MATCH = 4;
/** No block has a run as long; sums stay far from 2^32. */
const MAX_RUN = 2 ** 30;

/** More than a short sequence reads: its token and a unit of 16 bytes. */
const SHORT_INPUT_BYTES = 20;
/** More than a short sequence writes: 14 literals and a match of 18 bytes. */
const SHORT_OUTPUT_BYTES = 64;

type Code = readonly number[];

const I32 = 0x7f;
const BLOCK = 0x40;

/** Numbers of the function's parameters and locals. */
const FROM = 0, FROM_END = 1, START = 2, END = 3;
const TO = 4, TOKEN = 5, RUN = 6, MORE = 7, SOURCE = 8, DISTANCE = 9, STOP = 10;
const SAFE_FROM = 11, SAFE_TO = 12;
const LOCALS = 9;

function leb(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value;; left >>= 7) {
    const last = left >= -64 && left < 64;
    bytes.push(last ? left & 0x7f : (left & 0x7f) | 0x80);
    if (last) return bytes;
  }
}

const constant = (value: number): Code => [0x41, ...leb(value)];
const get = (local: number): Code => [0x20, local];
const set = (local: number, value: Code): Code => [...value, 0x21, local];
const operator = (opcode: number) => (a: Code, b: Code): Code => [...a, ...b, opcode];
const equal = operator(0x46);
const below = operator(0x49);
const above = operator(0x4b);
const atLeast = operator(0x4f);
const add = operator(0x6a);
const subtract = operator(0x6b);
const and = operator(0x71);
const shiftRight = operator(0x76);
const either = operator(0x72);
const shiftLeft = operator(0x74);
const loadU8 = (address: Code): Code => [...address, 0x2d, 0, 0];
const loadU16 = (address: Code): Code => [...address, 0x2f, 0, 0];
const when = (condition: Code, ...then: Code[]): Code => [
  ...condition,
  ...[0x04, BLOCK],
  ...then.flat(),
  0x0b,
];
const otherwise = (condition: Code, then: Code, rest: Code): Code => [
  ...condition,
  ...[0x04, BLOCK],
  ...then,
  0x05,
  ...rest,
  0x0b,
];
/** Runs once, and again as long as `condition` holds at its end. */
const repeat = (condition: Code, ...body: Code[]): Code => [
  ...[0x03, BLOCK],
  ...body.flat(),
  ...condition,
  ...[0x0d, 0, 0x0b],
];
const giveBack = (value: Code): Code => [...value, 0x0f];
const refuse = giveBack(constant(-1));
const least = (a: Code, b: Code): Code => [...a, ...b, ...below(a, b), 0x1b];
const advance = (local: number, by: number): Code => set(local, add(get(local), constant(by)));

/** Load and store of a unit, up to their offsets. */
const UNITS = {
  1: [[0x2d, 0], [0x3a, 0]],
  2: [[0x2f, 0], [0x3b, 0]],
  8: [[0x29, 0], [0x37, 0]],
  16: [[0xfd, 0, 0], [0xfd, 11, 0]],
} as const;

/** Copies from SOURCE to TO in units until TO is at STOP or behind it. */
function copyBy(unitBytes: 1 | 8 | 16): Code {
  const unit = copyOne(unitBytes, SOURCE, 0);
  const next = [advance(SOURCE, unitBytes), advance(TO, unitBytes)];
  return repeat(below(get(TO), get(STOP)), unit, ...next);
}

/** Sets RUN to `low`, plus the bytes that follow when it is `full`. */
function readRun(low: Code, full: number): Code {
  return [
    ...set(RUN, low),
    ...when(
      equal(get(RUN), constant(full)),
      repeat(
        equal(get(MORE), constant(255)),
        when(atLeast(get(FROM), get(FROM_END)), refuse),
        set(MORE, loadU8(get(FROM))),
        advance(FROM, 1),
        set(RUN, add(get(RUN), get(MORE))),
        when(above(get(RUN), constant(MAX_RUN)), refuse),
      ),
    ),
  ];
}

function literals(): Code {
  const rest = subtract(get(FROM_END), get(FROM));
  const written = shiftLeft(subtract(get(TO), get(START)), constant(1));
  return [
    readRun(shiftRight(get(TOKEN), constant(4)), 15),
    when(above(get(RUN), rest), refuse),
    set(SOURCE, get(FROM)),
    set(STOP, add(get(TO), least(get(RUN), subtract(get(END), get(TO))))),
    set(FROM, add(get(FROM), get(RUN))),
    // DISTANCE is free here: how many literals had room.
    set(DISTANCE, subtract(get(STOP), get(TO))),
    copyBy(16),
    set(TO, get(STOP)),
    when(
      equal(get(FROM), get(FROM_END)),
      giveBack(either(written, equal(get(DISTANCE), get(RUN)))),
    ),
    when(equal(get(TO), get(END)), giveBack(written)),
  ].flat();
}

function match(): Code {
  return [
    when(below(subtract(get(FROM_END), get(FROM)), constant(2)), refuse),
    set(DISTANCE, loadU16(get(FROM))),
    advance(FROM, 2),
    when(equal(get(DISTANCE), constant(0)), refuse),
    when(above(get(DISTANCE), subtract(get(TO), get(START))), refuse),
    readRun(add(and(get(TOKEN), constant(15)), constant(MIN_MATCH)), 15 + MIN_MATCH),
    set(STOP, add(get(TO), least(get(RUN), subtract(get(END), get(TO))))),
    set(SOURCE, subtract(get(TO), get(DISTANCE))),
    // A unit may not be longer than the distance: it would copy what is not there yet.
    otherwise(
      atLeast(get(DISTANCE), constant(16)),
      copyBy(16),
      otherwise(atLeast(get(DISTANCE), constant(8)), copyBy(8), copyBy(1)),
    ),
    set(TO, get(STOP)),
  ].flat();
}

const block = (...body: Code[]): Code => [0x02, BLOCK, ...body.flat(), 0x0b];
/** Leaves that many blocks, or begins a loop anew. */
const leave = (depth: number): Code => [0x0c, depth];
const leaveIf = (depth: number, condition: Code): Code => [...condition, 0x0d, depth];

/** Copies one unit from `source` + `skip` to TO + `skip`. */
function copyOne(unitBytes: keyof typeof UNITS, source: number, skip: number): Code {
  const [load, store] = UNITS[unitBytes];
  return [...get(TO), ...get(source), ...load, skip, ...store, skip];
}

/**
 * Most sequences have fewer than 15 literals and a match of at most 18 bytes, and lie far from both ends:
 * these need neither loops nor checks of the ends. Leaves 0 blocks with FROM at the token when that does
 * not hold, and 1 with FROM behind the literals when only the match is another.
 */
function shortSequence(): Code {
  return [
    leaveIf(0, atLeast(get(FROM), get(SAFE_FROM))),
    leaveIf(0, atLeast(get(TO), get(SAFE_TO))),
    set(TOKEN, loadU8(get(FROM))),
    leaveIf(0, atLeast(get(TOKEN), constant(0xf0))),
    advance(FROM, 1),
    copyOne(16, FROM, 0),
    set(RUN, shiftRight(get(TOKEN), constant(4))),
    set(TO, add(get(TO), get(RUN))),
    set(FROM, add(get(FROM), get(RUN))),
    set(DISTANCE, loadU16(get(FROM))),
    set(RUN, and(get(TOKEN), constant(15))),
    leaveIf(1, equal(get(RUN), constant(15))),
    leaveIf(1, below(get(DISTANCE), constant(8))),
    leaveIf(1, above(get(DISTANCE), subtract(get(TO), get(START)))),
    advance(FROM, 2),
    set(SOURCE, subtract(get(TO), get(DISTANCE))),
    copyOne(8, SOURCE, 0),
    copyOne(8, SOURCE, 8),
    copyOne(2, SOURCE, 16),
    set(TO, add(get(TO), add(get(RUN), constant(MIN_MATCH)))),
    leave(2),
  ].flat();
}

/** The local less `by`, but not below 0. */
function saturatingSubtract(local: number, by: number): Code {
  return subtract(get(local), least(get(local), constant(by)));
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function name(text: string): number[] {
  return [text.length, ...new TextEncoder().encode(text)];
}

/** The module; it imports `env.memory` and exports `decode`. */
export function lz4Module(): Uint8Array<ArrayBuffer> {
  const sequence = [
    block(
      block(shortSequence()),
      when(atLeast(get(FROM), get(FROM_END)), refuse),
      set(TOKEN, loadU8(get(FROM))),
      advance(FROM, 1),
      literals(),
    ),
    match(),
  ];
  const body = [
    ...[1, LOCALS, I32],
    ...set(TO, get(START)),
    ...set(SAFE_FROM, saturatingSubtract(FROM_END, SHORT_INPUT_BYTES)),
    ...set(SAFE_TO, saturatingSubtract(END, SHORT_OUTPUT_BYTES)),
    ...repeat(constant(1), ...sequence),
    ...[0x00, 0x0b],
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 4, I32, I32, I32, I32, 1, I32]),
    ...section(2, [1, ...name("env"), ...name("memory"), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("decode"), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}
