/**
 * Records of a PAX header: `<length> <key>=<value>\n`, the length in decimal and of the whole record.
 *
 * Source: POSIX.1-2017 pax, "pax Extended Header"; GNU tar manual, "Storing Sparse Files";
 * star(5) for SCHILY.xattr. Keys that change nothing here are passed over.
 */
import { brokenTar } from "./tar_header.ts";

/** What is used of the records of one header. An absent key is inherited or told by the header. */
export interface PaxRecords {
  path?: Uint8Array;
  linkPath?: Uint8Array;
  sizeBytes?: number;
  uid?: number;
  gid?: number;
  mtimeSeconds?: number;
  mtimeNanoseconds?: number;
  sparse?: PaxSparse;
  xattrs?: Map<string, Uint8Array>;
}

/** The keys GNU.sparse.*: forms 0.0, 0.1 and 1.0. */
export interface PaxSparse {
  major?: number;
  minor?: number;
  name?: Uint8Array;
  realSizeBytes?: number;
  /** Numbers, offsets and lengths in turn; of form 0.0 they are gathered here. */
  map?: string[];
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const latin = new TextDecoder("latin1");
const XATTR = "SCHILY.xattr.";

/**
 * Parses the payload of one header, zeros behind the last record included.
 *
 * @throws {FastboopError} `corrupt` when a record breaks the form or a number is none.
 */
export function parsePaxRecords(action: string, bytes: Uint8Array, at: number): PaxRecords {
  const records: PaxRecords = {};
  for (let offset = 0; offset < bytes.length && bytes[offset] !== 0;) {
    const space = bytes.indexOf(0x20, offset);
    const digits = space < 0
      ? ""
      : latin.decode(bytes.subarray(offset, Math.min(space, offset + 10)));
    const end = offset + Number(digits);
    const isNumber = /^[1-9]\d*$/.test(digits);
    if (!isNumber || end > bytes.length || end <= space + 1 || bytes[end - 1] !== 0x0a) {
      throw brokenTar(action, at, "a PAX record has a wrong length");
    }
    const equals = bytes.indexOf(0x3d, space);
    if (equals < 0 || equals >= end) throw brokenTar(action, at, "a PAX record has no value");
    const key = latin.decode(bytes.subarray(space + 1, equals));
    setRecord(action, at, records, key, bytes.slice(equals + 1, end - 1));
    offset = end;
  }
  return records;
}

function setRecord(
  action: string,
  at: number,
  records: PaxRecords,
  key: string,
  value: Uint8Array,
): void {
  if (key.startsWith(XATTR)) {
    setXattr(records, key.slice(XATTR.length), value);
    return;
  }
  if (key.startsWith("GNU.sparse.")) {
    setSparse(action, at, records.sparse ??= {}, key.slice(11), value);
    return;
  }
  switch (key) {
    case "path":
      records.path = value;
      break;
    case "linkpath":
      records.linkPath = value;
      break;
    case "size":
      records.sizeBytes = decimal(action, at, value);
      break;
    case "uid":
      records.uid = decimal(action, at, value);
      break;
    case "gid":
      records.gid = decimal(action, at, value);
      break;
    case "mtime":
      setTime(action, at, records, latin.decode(value));
  }
}

/** GNU tar writes `%` and `=` of a name as %25 and %3D. */
function setXattr(records: PaxRecords, stored: string, value: Uint8Array): void {
  const name = stored.replace(/%3D/g, "=").replace(/%25/g, "%");
  (records.xattrs ??= new Map()).set(name, value);
}

function setSparse(
  action: string,
  at: number,
  sparse: PaxSparse,
  key: string,
  value: Uint8Array,
): void {
  switch (key) {
    case "major":
      sparse.major = decimal(action, at, value);
      break;
    case "minor":
      sparse.minor = decimal(action, at, value);
      break;
    case "name":
      sparse.name = value;
      break;
    case "realsize":
    case "size":
      sparse.realSizeBytes = decimal(action, at, value);
      break;
    case "map":
      sparse.map = latin.decode(value).split(",");
      break;
    case "offset":
    case "numbytes":
      (sparse.map ??= []).push(latin.decode(value));
  }
}

function setTime(action: string, at: number, records: PaxRecords, text: string): void {
  const parts = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (parts === null) throw brokenTar(action, at, "a PAX time is no number");
  const seconds = Number(parts[2]);
  const nanoseconds = Number((parts[3] ?? "").slice(0, 9).padEnd(9, "0"));
  const below = parts[1] === "-" && nanoseconds > 0;
  records.mtimeSeconds = parts[1] === "-" ? -seconds - (below ? 1 : 0) : seconds;
  if (Object.is(records.mtimeSeconds, -0)) records.mtimeSeconds = 0;
  records.mtimeNanoseconds = below ? 1_000_000_000 - nanoseconds : nanoseconds;
}

function decimal(action: string, at: number, value: Uint8Array): number {
  const text = latin.decode(value.subarray(0, 20));
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw brokenTar(action, at, "a PAX number is none");
}

/** Text of a name; undefined when it is not UTF-8. */
export function nameText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
