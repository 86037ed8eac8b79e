/** The eight bytes the records of a channel begin with. Source: fastboop-cli.md 7. */
import { HINTS_MAGIC, HINTS_RECORD_MAGIC } from "../../images/pipeline/encode_hints.ts";
import { BOOT_PROFILE_MAGIC } from "./encode_boot_profile.ts";

export const DEVICE_PROFILE_MAGIC = "FBOODEVP";
export const CHANNEL_INDEX_MAGIC = "FBCHIDX0";

const KINDS = {
  [BOOT_PROFILE_MAGIC]: "boot-profile",
  [DEVICE_PROFILE_MAGIC]: "device-profile",
  [HINTS_RECORD_MAGIC]: "pipeline-hints",
  // Without a record around it, as until March 2026.
  [HINTS_MAGIC]: "pipeline-hints",
} as const;

export type RecordKind = typeof KINDS[keyof typeof KINDS];

/** The kind of record that begins at an offset. */
export function recordKind(bytes: Uint8Array, offsetBytes: number): RecordKind | undefined {
  const magic = magicAt(bytes, offsetBytes);
  return Object.hasOwn(KINDS, magic) ? KINDS[magic as keyof typeof KINDS] : undefined;
}

export function isRecordStart(bytes: Uint8Array, offsetBytes: number): boolean {
  return recordKind(bytes, offsetBytes) !== undefined;
}

export function magicAt(bytes: Uint8Array, offsetBytes: number): string {
  return new TextDecoder("latin1").decode(bytes.subarray(offsetBytes, offsetBytes + 8));
}
