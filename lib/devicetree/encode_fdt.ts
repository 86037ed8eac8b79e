/**
 * A device tree -> its flattened form, version 17, as dtc lays it out: header, reservations, structure,
 * strings. Source: Devicetree Specification 0.4, chapter 5; parse_fdt.ts has the tables.
 */
import { FastboopError } from "../errors/errors.ts";
import type { EditableFdt, EditableNode } from "./edit_fdt.ts";
import { MAX_FDT_BYTES } from "./parse_fdt.ts";

const HEADER_BYTES = 40;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;

/** @throws {FastboopError} `limit` when the blob would be larger than a kernel maps. */
export function encodeFdt({ root, reservations, bootCpuId }: EditableFdt): Uint8Array<ArrayBuffer> {
  const strings = new StringTable();
  const structureBytes = measure(root, strings) + 4;
  const structAt = HEADER_BYTES + (reservations.length + 1) * 16;
  const stringsAt = structAt + structureBytes;
  const totalBytes = stringsAt + strings.sizeBytes;
  if (totalBytes > MAX_FDT_BYTES) {
    throw new FastboopError({
      kind: "limit",
      action: "Write the device tree",
      state: `it would have ${totalBytes} bytes, a kernel maps ${MAX_FDT_BYTES}`,
    });
  }
  const blob = new Uint8Array(totalBytes);
  const view = new DataView(blob.buffer);
  const header = [
    ...[0xd00dfeed, totalBytes, structAt, stringsAt, HEADER_BYTES, VERSION],
    ...[LAST_COMPATIBLE_VERSION, bootCpuId, strings.sizeBytes, structureBytes],
  ];
  header.forEach((value, i) => view.setUint32(4 * i, value));
  reservations.forEach(({ address, sizeBytes }, i) => {
    view.setBigUint64(HEADER_BYTES + 16 * i, address);
    view.setBigUint64(HEADER_BYTES + 16 * i + 8, sizeBytes);
  });
  const end = writeNode(root, { blob, view, strings, at: structAt });
  view.setUint32(end, 9);
  strings.writeTo(blob, stringsAt);
  return blob;
}

/** Property names, each stored once. */
class StringTable {
  readonly #offsets = new Map<string, number>();
  sizeBytes = 0;

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.sizeBytes;
    this.#offsets.set(name, offset);
    this.sizeBytes += name.length + 1;
    return offset;
  }

  writeTo(blob: Uint8Array, at: number): void {
    for (const [name, offset] of this.#offsets) putText(blob, at + offset, name);
  }
}

function measure({ name, properties, children }: EditableNode, strings: StringTable): number {
  let sizeBytes = 4 + align4(name.length + 1) + 4;
  for (const [key, value] of properties) {
    strings.offsetOf(key);
    sizeBytes += 12 + align4(value.length);
  }
  for (const child of children.values()) sizeBytes += measure(child, strings);
  return sizeBytes;
}

interface Place {
  readonly blob: Uint8Array;
  readonly view: DataView;
  readonly strings: StringTable;
  at: number;
}

/** Offset behind the node. */
function writeNode({ name, properties, children }: EditableNode, place: Place): number {
  const { blob, view, strings } = place;
  view.setUint32(place.at, 1);
  putText(blob, place.at + 4, name);
  place.at += 4 + align4(name.length + 1);
  for (const [key, value] of properties) {
    view.setUint32(place.at, 3);
    view.setUint32(place.at + 4, value.length);
    view.setUint32(place.at + 8, strings.offsetOf(key));
    blob.set(value, place.at + 12);
    place.at += 12 + align4(value.length);
  }
  for (const child of children.values()) writeNode(child, place);
  view.setUint32(place.at, 2);
  place.at += 4;
  return place.at;
}

/** Names are one byte per character, as they were read. */
function putText(blob: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) blob[at + i] = text.charCodeAt(i);
}

function align4(sizeBytes: number): number {
  return (sizeBytes + 3) & ~3;
}
