/**
 * Branch filters of the .xz format, undone: absolute targets of calls become relative again, so that the
 * bytes are the program's own.
 *
 * Each changes `bytes` in place and says how many of them are final; the rest is given again with what
 * follows, or left as it is at the end of the data. `position` is the place of bytes[0] in the data, plus
 * the start offset, modulo 2^32. Source: xz-file-format 1.2.1, 5.3.2, and the public domain code it
 * names as the definition (liblzma/simple of xz 5.4).
 */

/** How the bytes of one processor are put back. */
export interface BranchFilter {
  readonly name: string;
  /** Start offsets are multiples of it. */
  readonly alignment: number;
  /** A function with the state of one stream. */
  readonly begin: () => Undo;
}

export type Undo = (bytes: Uint8Array, position: number) => number;

/** By filter id. IA-64 (6) and RISC-V (0xb) are left out. */
export const BRANCH_FILTERS: ReadonlyMap<number, BranchFilter> = new Map([
  [0x04, { name: "x86", alignment: 1, begin: beginX86 }],
  [0x05, { name: "PowerPC", alignment: 4, begin: () => undoPowerpc }],
  [0x07, { name: "ARM", alignment: 4, begin: () => undoArm }],
  [0x08, { name: "ARM-Thumb", alignment: 2, begin: () => undoThumb }],
  [0x09, { name: "SPARC", alignment: 4, begin: () => undoSparc }],
  [0x0a, { name: "ARM64", alignment: 4, begin: () => undoArm64 }],
]);

function readBig(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

function writeBig(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function readLittle(bytes: Uint8Array, at: number): number {
  return bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
}

function writeLittle(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** `bl`: opcode 18 with AA = 0 and LK = 1. */
function undoPowerpc(bytes: Uint8Array, position: number): number {
  const end = bytes.length & ~3;
  for (let at = 0; at < end; at += 4) {
    const word = readBig(bytes, at);
    if ((word & 0xfc000003) !== 0x48000001) continue;
    const target = (word & 0x03fffffc) - (position + at);
    writeBig(bytes, at, 0x48000001 | (target & 0x03fffffc));
  }
  return end;
}

/** `bl` without a condition; the processor adds 8, and counts in words. */
function undoArm(bytes: Uint8Array, position: number): number {
  const end = bytes.length & ~3;
  for (let at = 0; at < end; at += 4) {
    if (bytes[at + 3] !== 0xeb) continue;
    const target = ((readLittle(bytes, at) & 0xffffff) << 2) - (position + at + 8) >>> 2;
    bytes[at] = target;
    bytes[at + 1] = target >>> 8;
    bytes[at + 2] = target >>> 16;
  }
  return end;
}

/** The pair of half words of `bl`, 11 bits of the target in each. */
function undoThumb(bytes: Uint8Array, position: number): number {
  let at = 0;
  for (; at + 4 <= bytes.length; at += 2) {
    if ((bytes[at + 1]! & 0xf8) !== 0xf0 || (bytes[at + 3]! & 0xf8) !== 0xf8) continue;
    const stored = (bytes[at + 1]! & 7) << 19 | bytes[at]! << 11 | (bytes[at + 3]! & 7) << 8 |
      bytes[at + 2]!;
    const target = (stored << 1) - (position + at + 4) >>> 1;
    bytes[at + 1] = 0xf0 | (target >>> 19 & 7);
    bytes[at] = target >>> 11;
    bytes[at + 3] = 0xf8 | (target >>> 8 & 7);
    bytes[at + 2] = target;
    at += 2;
  }
  return at;
}

/** `call` whose target lies within 2^24 bytes. */
function undoSparc(bytes: Uint8Array, position: number): number {
  const end = bytes.length & ~3;
  for (let at = 0; at < end; at += 4) {
    const word = readBig(bytes, at);
    const isNear = word >>> 22 === 0x100 || word >>> 22 === 0x1ff;
    if (!isNear) continue;
    const target = (word << 2) - (position + at) >>> 2;
    // Bit 22 is the sign: it fills the bits 22 to 29.
    const sign = (target >>> 22 & 1) === 1 ? 0x3fc00000 : 0;
    writeBig(bytes, at, 0x40000000 | sign | (target & 0x3fffff));
  }
  return end;
}

/** `bl`, and `adrp` whose target lies within 512 MiB. */
function undoArm64(bytes: Uint8Array, position: number): number {
  const end = bytes.length & ~3;
  for (let at = 0; at < end; at += 4) {
    const here = position + at;
    const word = readLittle(bytes, at);
    if (word >>> 26 === 0x25) {
      writeLittle(bytes, at, 0x94000000 | ((word - (here >>> 2)) & 0x03ffffff));
    } else if ((word & 0x9f000000 | 0) === (0x90000000 | 0)) {
      const page = (word >>> 29 & 3) | (word >>> 3 & 0x1ffffc);
      if (((page + 0x020000) & 0x1c0000) !== 0) continue;
      const target = page - (here >>> 12);
      const sign = -(target & 0x020000) & 0xe00000;
      writeLittle(
        bytes,
        at,
        (word & 0x9000001f) | (target & 3) << 29 | (target & 0x03fffc) << 3 | sign,
      );
    }
  }
  return end;
}

/** Which of the last three bytes were opcodes: whether a byte now may be a call's. By the mask's three bits. */
const X86_ALLOWED = [true, true, true, false, true, false, false, false];
/** Highest byte of the target that such an opcode stands in, from the top. */
const X86_OVERLAP = [0, 1, 2, 2, 3, 3, 3, 3];
const X86_BYTES = 5;

/** `call` and `jmp` (e8, e9) whose target's top byte is 00 or ff. */
function beginX86(): Undo {
  /** Opcodes among the bytes before, one bit each; bit 4 when the last had such a top byte. */
  let mask = 0;
  /** Bytes since the last opcode; past 5 it does not matter. */
  let since = X86_BYTES;
  return (bytes, position) => {
    const end = bytes.length - X86_BYTES + 1;
    let at = 0;
    while (at < end) {
      if ((bytes[at]! & 0xfe) !== 0xe8) {
        at++;
        since++;
        continue;
      }
      if (since > X86_BYTES) mask = 0;
      else for (let i = 0; i < since; i++) mask = (mask & 0x77) << 1;
      since = 0;
      const top = bytes[at + 4]!;
      const isNear = top === 0 || top === 0xff;
      if (isNear && mask >>> 1 < 0x10 && X86_ALLOWED[mask >>> 1 & 7]) {
        const target = x86Target(readLittle(bytes, at + 1), position + at + X86_BYTES, mask);
        // Bit 24 is the sign, and fills the top byte.
        writeLittle(bytes, at + 1, target << 7 >> 7);
        at += X86_BYTES;
        since = X86_BYTES;
        mask = 0;
      } else {
        at++;
        since = 1;
        mask |= isNear ? 0x11 : 1;
      }
    }
    return at;
  };
}

/**
 * The relative target. When an opcode before this one stands in front of a byte of the target, the encoder
 * went a second time wherever that byte would have looked like a call's top byte; once is always enough,
 * because it does not look so in `stored`.
 */
function x86Target(stored: number, next: number, mask: number): number {
  const target = stored - next | 0;
  if (mask === 0) return target;
  const overlap = X86_OVERLAP[mask >>> 1]! * 8;
  const byte = target >>> (24 - overlap) & 0xff;
  if (byte !== 0 && byte !== 0xff) return target;
  return (target ^ (2 ** (32 - overlap) - 1)) - next | 0;
}
