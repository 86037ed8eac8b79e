/**
 * The build stamp: one line of JSON that says what an initramfs or a modules image was made of, so that
 * a running phone, an archive or a boot image can be matched with a build.
 *
 * Shape: `{"schema":2,"tool":"fastboop 0.1.0","release":"","arch":"","profile":"","inputs":{},
 * "sourceDateEpoch":0}` with the keys in this order, the inputs in the order of STAMP_INPUTS, and a
 * newline. Each input is the SHA-256 of its bytes in hex. No time of day: the same inputs give the same
 * stamp.
 */
import { FastboopError } from "../errors/errors.ts";

/** What an initramfs is made of; a modules image has `modules`, and `firmware` when some is in it. */
export const STAMP_INPUTS = [
  "kernel",
  "modules",
  "stage0",
  "settings",
  "loads",
  "firmware",
  "dtb",
  "cmdline",
] as const;

export type StampInput = typeof STAMP_INPUTS[number];

export interface BuildStamp {
  /** Name and version of the program. */
  readonly tool: string;
  readonly release: string;
  readonly arch: string;
  /** Id of the device profile; modules images have none. */
  readonly profile?: string;
  readonly inputs: Readonly<Partial<Record<StampInput, string>>>;
  /** SOURCE_DATE_EPOCH, when the build was given one. */
  readonly sourceDateEpoch?: number;
}

/** Where it lies in an initramfs. */
export const STAMP_PATH = "etc/fastboop-build-id";
/** Its name in the release's directory of a modules image, which may hold nothing beside that. */
export const MODULES_STAMP_NAME = "fastboop-build-id";
export const MAX_STAMP_BYTES = 4096;

/** 1 did not tell what was loaded, nor the firmware. */
const SCHEMA = 2;
const DIGEST = /^[0-9a-f]{64}$/;
const WORDS = /^[ -~]{1,200}$/;

/** The stamp's bytes. */
export function encodeStamp(stamp: BuildStamp): Uint8Array<ArrayBuffer> {
  const inputs: Record<string, string> = {};
  for (const name of STAMP_INPUTS) {
    const digest = stamp.inputs[name];
    if (digest !== undefined) inputs[name] = digest;
  }
  const { tool, release, arch, profile, sourceDateEpoch } = stamp;
  const line = JSON.stringify({
    schema: SCHEMA,
    tool,
    release,
    arch,
    ...(profile === undefined ? {} : { profile }),
    inputs,
    ...(sourceDateEpoch === undefined ? {} : { sourceDateEpoch }),
  });
  return new TextEncoder().encode(`${line}\n`);
}

/**
 * Reads a stamp from outside. Unknown inputs of a later program are passed over.
 *
 * @throws {FastboopError} `corrupt` when it is none, `unsupported` for another schema, `limit`.
 */
export function parseStamp(bytes: Uint8Array): BuildStamp {
  if (bytes.length > MAX_STAMP_BYTES) throw refuse("limit", `it has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw refuse("corrupt", "it is no JSON", cause);
  }
  if (typeof value !== "object" || value === null) throw refuse("corrupt", "it is no object");
  const fields = value as Record<string, unknown>;
  if (fields["schema"] !== SCHEMA) {
    throw refuse("unsupported", `schema is ${JSON.stringify(fields["schema"])}, must be ${SCHEMA}`);
  }
  const epoch = fields["sourceDateEpoch"];
  if (epoch !== undefined && (!Number.isSafeInteger(epoch) || (epoch as number) < 0)) {
    throw refuse("corrupt", "sourceDateEpoch is no number of seconds");
  }
  return {
    tool: words(fields, "tool"),
    release: words(fields, "release"),
    arch: words(fields, "arch"),
    ...(fields["profile"] === undefined ? {} : { profile: words(fields, "profile") }),
    inputs: parseInputs(fields["inputs"]),
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch as number }),
  };
}

function parseInputs(value: unknown): Partial<Record<StampInput, string>> {
  if (typeof value !== "object" || value === null) throw refuse("corrupt", "it has no inputs");
  const inputs: Partial<Record<StampInput, string>> = {};
  for (const name of STAMP_INPUTS) {
    if (!Object.hasOwn(value, name)) continue;
    const digest = (value as Record<string, unknown>)[name];
    if (typeof digest !== "string" || !DIGEST.test(digest)) {
      throw refuse("corrupt", `the digest of ${name} is none`);
    }
    inputs[name] = digest;
  }
  return inputs;
}

function words(fields: Record<string, unknown>, key: string): string {
  const value = fields[key];
  if (typeof value === "string" && WORDS.test(value)) return value;
  throw refuse("corrupt", `${key} is no printable text`);
}

function refuse(
  kind: "corrupt" | "limit" | "unsupported",
  state: string,
  cause?: unknown,
): FastboopError {
  return new FastboopError({ kind, action: "Read the build stamp", state, cause });
}
