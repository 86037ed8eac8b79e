/** Stage0 itself: the program that becomes `/init`, checked before it is packed. */
import { createHash } from "node:crypto";
import { FastboopError } from "../errors/errors.ts";
import { type Arch, ARCHES } from "../kernel/arch.ts";
import { parseElf } from "../kernel/elf.ts";

export interface ReadPayloadOptions {
  /** `FASTBOOP_STAGE0_PATH` names a program to use instead of ours. */
  env: Readonly<Record<string, string | undefined>>;
  /** Where the built programs and SHA256SUMS are; ours by default. */
  prebuilt?: URL;
}

const PREBUILT = new URL("../../stage0/prebuilt/", import.meta.url);
/** Ours have 64 KiB; a hand-made one with debug information may be large. */
const MAX_PAYLOAD_BYTES = 64 << 20;
const REBUILD = "Install fastboop again, or build stage0: `deno task stage0`";
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const ET_EXEC = 2;
const ET_DYN = 3;

/**
 * The stage0 program of `arch`: `FASTBOOP_STAGE0_PATH`, else the built one, whose SHA-256 must be the one
 * in SHA256SUMS.
 *
 * @throws {FastboopError} `not-found`, `permission`, `source`; `corrupt` when the sum differs;
 * `unsupported` when it is for another machine or not static.
 */
export async function readPayload(arch: Arch, options: ReadPayloadOptions): Promise<Uint8Array> {
  const override = options.env["FASTBOOP_STAGE0_PATH"];
  if (override) {
    const action = `Read stage0 "${override}" of FASTBOOP_STAGE0_PATH`;
    const bytes = await read(override, action, "Correct the variable, or unset it for ours");
    checkProgram(bytes, arch, `"${override}"`);
    return bytes;
  }
  const name = `stage0-${arch}`;
  const folder = options.prebuilt ?? PREBUILT;
  const bytes = await read(new URL(name, folder), `Read ${name}`);
  const sums = new TextDecoder().decode(
    await read(new URL("SHA256SUMS", folder), "Read SHA256SUMS of stage0"),
  );
  const expected = sums.split("\n").map((line) => /^([0-9a-f]{64}) [ *](.+)$/.exec(line))
    .find((match) => match?.[2] === name)?.[1];
  const actual = createHash("sha256").update(bytes).digest("hex");
  if (expected !== actual) {
    throw new FastboopError({
      kind: "corrupt",
      action: `Check ${name}`,
      state: `its SHA-256 is ${actual}, SHA256SUMS says ${expected ?? "nothing"}`,
      hint: REBUILD,
    });
  }
  checkProgram(bytes, arch, name);
  return bytes;
}

async function read(path: string | URL, action: string, hint = REBUILD): Promise<Uint8Array> {
  try {
    const { size } = await Deno.stat(path);
    if (size <= MAX_PAYLOAD_BYTES) return await Deno.readFile(path);
    throw new FastboopError({ kind: "limit", action, state: `it has ${size} bytes` });
  } catch (cause) {
    if (cause instanceof FastboopError) throw cause;
    const missing = cause instanceof Deno.errors.NotFound;
    const isDenied = cause instanceof Deno.errors.PermissionDenied ||
      cause instanceof Deno.errors.NotCapable;
    throw new FastboopError({
      kind: missing ? "not-found" : isDenied ? "permission" : "source",
      action,
      state: missing ? "there is no such file" : String((cause as Error).message),
      hint,
      cause,
    });
  }
}

/** PID 1 has no loader and no libraries beside it: what is not static cannot start. */
function checkProgram(bytes: Uint8Array, arch: Arch, what: string): void {
  const elf = parseElf(bytes, what);
  const wanted = ARCHES[arch].elfMachine;
  const fail = (state: string): never => {
    throw new FastboopError({ kind: "unsupported", action: `Check stage0 ${what}`, state });
  };
  if (elf.machine !== wanted) fail(`it is for ELF machine ${elf.machine}, ${arch} is ${wanted}`);
  if (elf.type !== ET_EXEC && elf.type !== ET_DYN) fail("it is no program");
  const dynamic = elf.segmentTypes.includes(PT_INTERP) ||
    (elf.type === ET_EXEC && elf.segmentTypes.includes(PT_DYNAMIC));
  if (dynamic) fail("it is not linked statically");
}
