import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { ExtentMap, ExtentReader, windowMap } from "../extent_reader.ts";
import { ScanWindow } from "../scan_window.ts";
import { brokenTar, TAR_BLOCK_BYTES, tarNumber } from "./tar_header.ts";
import type { TarMember } from "./scan_tar.ts";

/** Pieces of one sparse file. */
const MOST_PIECES = 1 << 20;

/** What of a member its data needs: a tree keeps no more of each file. */
export type TarData = Pick<
  TarMember,
  "headerOffsetBytes" | "dataOffsetBytes" | "storedBytes" | "sizeBytes" | "sparse"
>;

/** Where the data of a sparse file lies: pieces in order, and the first stored byte of them. */
interface Pieces {
  /** Offset and length in turn. */
  readonly numbers: readonly number[];
  readonly dataOffsetBytes: number;
}

/**
 * The data of a file of an archive, holes as zeros: a window of `source`, which `owns` tells it to dispose.
 *
 * @throws {FastboopError} `corrupt` when a map of holes does not fit, `limit`.
 */
export async function openTarMember(
  action: string,
  identity: string,
  source: Reader,
  member: TarData,
  owns: boolean,
  signal?: AbortSignal,
): Promise<Reader> {
  const map = member.sparse === undefined
    ? windowMap(member.dataOffsetBytes, member.storedBytes)
    : sparseMap(action, member, await piecesOf(action, source, member, signal));
  return new ExtentReader(identity, source, map, owns);
}

function sparseMap(
  action: string,
  member: TarData,
  { numbers, dataOffsetBytes }: Pieces,
): ExtentMap {
  const map = new ExtentMap();
  const at = member.headerOffsetBytes;
  let leftBytes = member.dataOffsetBytes + member.storedBytes - dataOffsetBytes;
  let origin = dataOffsetBytes;
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    const [offset, lengthBytes] = [numbers[i]!, numbers[i + 1]!];
    if (
      offset < map.sizeBytes || lengthBytes > leftBytes ||
      lengthBytes > member.sizeBytes - offset
    ) {
      throw brokenTar(action, at, "its map of holes does not fit its data");
    }
    map.addFill(offset - map.sizeBytes);
    map.addData(lengthBytes, origin);
    origin += lengthBytes;
    leftBytes -= lengthBytes;
  }
  if (leftBytes !== 0) throw brokenTar(action, at, `${leftBytes} bytes are in no piece of it`);
  map.addFill(member.sizeBytes - map.sizeBytes);
  return map;
}

async function piecesOf(
  action: string,
  source: Reader,
  member: TarData,
  signal?: AbortSignal,
): Promise<Pieces> {
  const window = new ScanWindow(source, signal);
  if (member.sparse?.form === "old") return await oldPieces(action, window, member);
  if (member.sparse?.form === "leading") return await leadingPieces(action, window, member);
  const texts = member.sparse?.form === "inline" ? member.sparse.map : [];
  const numbers = texts.filter((text) => text !== "").map((text) => decimal(action, member, text));
  if (numbers.length % 2 !== 0) throw broken(action, member);
  return { numbers, dataOffsetBytes: member.dataOffsetBytes };
}

/** Header: 4 pairs of 12-byte numbers from 386 on; blocks behind it: 21 pairs from 0 on. */
async function oldPieces(action: string, window: ScanWindow, member: TarData): Promise<Pieces> {
  const numbers: number[] = [];
  const { headerOffsetBytes, dataOffsetBytes } = member;
  for (let at = headerOffsetBytes; at < dataOffsetBytes; at += TAR_BLOCK_BYTES) {
    const block = await window.at(at, TAR_BLOCK_BYTES);
    if (block === undefined) throw broken(action, member);
    const [from, pairs] = at === headerOffsetBytes ? [386, 4] : [0, 21];
    for (let pair = from; pair < from + pairs * 24 && block[pair] !== 0; pair += 24) {
      for (const field of [pair, pair + 12]) {
        numbers.push(tarNumber(action, block.subarray(field, field + 12), headerOffsetBytes));
      }
    }
    checkCount(action, member, numbers.length / 2);
  }
  if (numbers.some((number) => number < 0)) throw broken(action, member);
  return { numbers, dataOffsetBytes };
}

/** Decimal numbers, each with a newline, at the start of the data: their count, then the pairs. */
async function leadingPieces(
  action: string,
  window: ScanWindow,
  member: TarData,
): Promise<Pieces> {
  const numbers: number[] = [];
  const end = member.dataOffsetBytes + member.storedBytes;
  let at = member.dataOffsetBytes;
  let text = "";
  for (let wanted = 1; numbers.length < wanted; at += TAR_BLOCK_BYTES) {
    const block = at + TAR_BLOCK_BYTES > end ? undefined : await window.at(at, TAR_BLOCK_BYTES);
    if (block === undefined) throw broken(action, member);
    const lines = (text + String.fromCharCode(...block)).split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      if (numbers.length === wanted) break;
      numbers.push(decimal(action, member, line));
      if (numbers.length === 1) {
        checkCount(action, member, numbers[0]!);
        wanted = 1 + numbers[0]! * 2;
      }
    }
    // Checked now: a text without an end would be gathered, over and over, for the whole member.
    if (numbers.length < wanted && text !== "") decimal(action, member, text);
  }
  return { numbers: numbers.slice(1), dataOffsetBytes: at };
}

function decimal(action: string, member: TarData, text: string): number {
  const number = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(number)) throw broken(action, member);
  return number;
}

function checkCount(action: string, member: TarData, count: number): void {
  if (count <= MOST_PIECES) return;
  const state = `member at byte ${member.headerOffsetBytes}: it has ${count} pieces between holes`;
  throw new FastboopError({ kind: "limit", action, state });
}

function broken(action: string, member: TarData) {
  return brokenTar(action, member.headerOffsetBytes, "its map of holes is damaged");
}
