/**
 * The head of a channel: compiled profiles and hints in any order, perhaps behind an index, perhaps before an
 * artifact. Source: fastboop-cli.md 3.5 and 7.
 *
 * Every record must be whole: a broken one is an error wherever it stands. The index is held against the records.
 */
import { printable } from "../../bytes/printable.ts";
import { PostcardReader } from "../../bytes/postcard.ts";
import { FastboopError } from "../../errors/errors.ts";
import { decodeHintsRecord, decodeLeadingHints } from "../../images/pipeline/decode_hints.ts";
import { HINTS_MAGIC } from "../../images/pipeline/encode_hints.ts";
import type { Hint } from "../../images/pipeline/hints.ts";
import type { BootProfile } from "../boot_profile.ts";
import { decodeBootProfile } from "./decode_boot_profile.ts";
import { decodeDeviceProfile, type DeviceProfileRecord } from "./decode_device_profile.ts";
import { CHANNEL_INDEX_MAGIC, magicAt, type RecordKind, recordKind } from "./record_magics.ts";

const MAX_RECORDS = 128;
const MAX_PROFILE_BYTES = 4 << 20;
const MAX_TEXT_BYTES = 1 << 18;
/** More than any head that keeps its bounds: what to read of a channel that is followed by an image. */
export const CHANNEL_HEAD_BYTES = 64 << 20;

export interface ChannelRecord {
  readonly kind: RecordKind;
  /** The profile's; hints have none. */
  readonly id?: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface Channel {
  readonly records: readonly ChannelRecord[];
  readonly bootProfiles: readonly BootProfile[];
  readonly deviceProfiles: readonly DeviceProfileRecord[];
  /** Of all records, by pipeline identity. */
  readonly hints: ReadonlyMap<string, readonly Hint[]>;
  readonly isIndexed: boolean;
  /** Where the records end; what follows is the channel's artifact. */
  readonly headBytes: number;
}

/** Whether bytes begin as a channel's head does. */
export function isChannel(bytes: Uint8Array): boolean {
  return magicAt(bytes, 0) === CHANNEL_INDEX_MAGIC || recordKind(bytes, 0) !== undefined;
}

/**
 * Parses the head of a channel; `bytes` may go on with the artifact, or be cut off inside it.
 *
 * @throws {FastboopError} `unsupported` when no record begins it, `corrupt`, `limit` above 128 records.
 */
export function parseChannel(bytes: Uint8Array, what = "the channel"): Channel {
  if (!isChannel(bytes)) {
    throw new FastboopError({
      kind: "unsupported",
      action: `Read ${printable(what)}`,
      state: "no compiled profile begins it",
      hint: "Compile a manifest with fastboop bootprofile create",
    });
  }
  const index = magicAt(bytes, 0) === CHANNEL_INDEX_MAGIC ? parseIndex(bytes, what) : undefined;
  const walk = new Walk(bytes, what, index?.sizeBytes ?? 0);
  walk.run();
  if (index !== undefined) compareIndex(index, walk.records, what);
  const { records, bootProfiles, deviceProfiles, hints, headBytes } = walk;
  return {
    records,
    bootProfiles,
    deviceProfiles,
    hints,
    isIndexed: index !== undefined,
    headBytes,
  };
}

class Walk {
  readonly records: ChannelRecord[] = [];
  readonly bootProfiles: BootProfile[] = [];
  readonly deviceProfiles: DeviceProfileRecord[] = [];
  readonly hints = new Map<string, Hint[]>();

  constructor(readonly bytes: Uint8Array, readonly what: string, public headBytes: number) {}

  run(): void {
    for (;;) {
      const kind = recordKind(this.bytes, this.headBytes);
      if (kind === undefined) return;
      if (this.records.length === MAX_RECORDS) {
        fail(this.what, `it has more than ${MAX_RECORDS} records`, "limit");
      }
      const offsetBytes = this.headBytes;
      const record = this.#record(
        kind,
        `${kind} at byte ${offsetBytes} of ${printable(this.what)}`,
      );
      this.records.push({ kind, offsetBytes, ...record });
      this.headBytes += record.sizeBytes;
    }
  }

  #record(kind: RecordKind, what: string): { id?: string; sizeBytes: number } {
    const rest = this.bytes.subarray(this.headBytes);
    switch (kind) {
      case "boot-profile": {
        const { profile, sizeBytes } = decodeBootProfile(rest.subarray(0, MAX_PROFILE_BYTES), what);
        this.bootProfiles.push(profile);
        return { id: profile.id, sizeBytes };
      }
      case "device-profile": {
        const record = decodeDeviceProfile(rest.subarray(0, MAX_PROFILE_BYTES), what);
        this.deviceProfiles.push(record);
        return { id: record.id, sizeBytes: record.sizeBytes };
      }
      case "pipeline-hints": {
        const isBare = magicAt(rest, 0) === HINTS_MAGIC;
        const decode = isBare ? decodeLeadingHints : decodeHintsRecord;
        const { hints, sizeBytes } = decode(rest, what);
        for (const [identity, list] of hints) {
          if (this.hints.has(identity)) fail(this.what, "two records have hints of one stage");
          this.hints.set(identity, list);
        }
        return { sizeBytes };
      }
    }
  }
}

interface IndexEntry {
  readonly kind: RecordKind;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly id?: string;
}

/** `FBCHIDX0`, u16 version 0, u32 payload length, postcard list of entries. */
function parseIndex(bytes: Uint8Array, what: string) {
  const action = `Read the index of ${printable(what)}`;
  const head = new PostcardReader(bytes, action, CHANNEL_INDEX_MAGIC.length);
  const version = head.byte() + head.byte() * 256;
  if (version !== 0) head.fail(`its version is ${version}, 0 is read`, "unsupported");
  const length = head.raw(4);
  const payloadBytes = new DataView(length.buffer, length.byteOffset, 4).getUint32(0, true);
  const reader = new PostcardReader(head.raw(payloadBytes), action);
  const entries = reader.list(3, MAX_RECORDS, () => readEntry(reader));
  if (entries.length === 0) reader.fail("it is empty");
  if (reader.leftBytes > 0) reader.fail(`${reader.leftBytes} bytes follow its entries`);
  return { entries, sizeBytes: head.offsetBytes };
}

function readEntry(reader: PostcardReader): IndexEntry {
  const kinds: readonly RecordKind[] = ["boot-profile", "device-profile", "pipeline-hints"];
  const tag = reader.varint("u32");
  const kind = kinds[tag] ?? reader.fail(`no record has the number ${tag}`);
  const place = { kind, offsetBytes: reader.varint("u64"), sizeBytes: reader.varint("u64") };
  if (kind !== "pipeline-hints") return { ...place, id: reader.string(MAX_TEXT_BYTES) };
  reader.varint("u64"); // where the payload lies: the record says it itself
  reader.varint("u64");
  reader.list(1, 1 << 12, () => reader.string(MAX_TEXT_BYTES));
  return place;
}

function compareIndex(
  { entries, sizeBytes }: { entries: readonly IndexEntry[]; sizeBytes: number },
  records: readonly ChannelRecord[],
  what: string,
): void {
  const isSame = entries.length === records.length && entries.every((entry, i) => {
    const record = records[i]!;
    return entry.kind === record.kind && entry.id === record.id &&
      entry.sizeBytes === record.sizeBytes &&
      entry.offsetBytes + sizeBytes === record.offsetBytes;
  });
  if (!isSame) fail(what, "its index names other records than it holds");
}

function fail(what: string, state: string, kind: "corrupt" | "limit" = "corrupt"): never {
  throw new FastboopError({ kind, action: `Read ${printable(what)}`, state });
}
