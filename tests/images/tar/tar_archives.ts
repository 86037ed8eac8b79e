/** Tar archives made header by header, for what no program writes. */
import { concat } from "../android_sparse/sparse_images.ts";

export interface Member {
  name: string;
  type?: string;
  data?: Uint8Array | string;
  link?: string;
  /** Instead of the data's length. */
  size?: number;
  /** Laid over the header before its checksum is made. */
  patch?: (block: Uint8Array) => void;
}

const encoder = new TextEncoder();

/** One header and its data, padded. */
export function tarMember(
  { name, type = "0", data = "", link = "", size, patch }: Member,
): Uint8Array {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  const block = new Uint8Array(512 + Math.ceil(bytes.length / 512) * 512);
  const put = (at: number, text: string) => block.set(encoder.encode(text), at);
  put(0, name);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, (size ?? bytes.length).toString(8).padStart(11, "0"));
  put(136, "00000000000");
  put(156, type);
  put(157, link);
  put(257, "ustar\x0000");
  patch?.(block);
  block.fill(0x20, 148, 156);
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  put(148, sum.toString(8).padStart(6, "0") + "\0 ");
  block.set(bytes, 512);
  return block;
}

/** Members and the end marker. */
export function tarArchive(...members: Member[]): Uint8Array<ArrayBuffer> {
  return concat([...members.map(tarMember), new Uint8Array(1024)]);
}

/** One PAX record, its own length in it. */
export function paxRecord(key: string, value: string): string {
  const body = encoder.encode(` ${key}=${value}\n`).length;
  let length = body + 1;
  while (String(length).length + body !== length) length = String(length).length + body;
  return `${length} ${key}=${value}\n`;
}
