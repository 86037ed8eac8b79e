/**
 * A compiled record -> the boot profile. Layout: encode_boot_profile.ts.
 *
 * Version 0 stands for several layouts. Files of March 2026 have no tar stage (so later stages have smaller
 * numbers), no `lba_size` and no `inject_mac`; the earlier of them no `cors_safelisted_mode` either. All are
 * tried: one that ends where the bytes end, or where another record begins, is taken before one that leaves
 * something over. Version 2 came before them, without declared contents. Source: fastboop-cli.md 3.7 and the
 * files in the history of github.com/samcday/fastboopmos.
 */
import { PostcardReader } from "../../bytes/postcard.ts";
import { FastboopError } from "../../errors/errors.ts";
import {
  CURRENT_PIPELINE_LAYOUT,
  MARCH_PIPELINE_LAYOUT,
  type PipelineLayout,
  readPipeline,
} from "../../images/pipeline/decode_pipeline.ts";
import {
  MAX_TEXT_BYTES,
  optionalTextProblem,
  textProblem,
} from "../../images/pipeline/pipeline_rules.ts";
import type {
  ArtifactFile,
  ArtifactSource,
  BootProfile,
  BootProfileDevice,
} from "../boot_profile.ts";
import {
  MAX_DEVICES,
  MAX_LIST_ITEMS,
  OverlayBudget,
  overlayProblem,
} from "./boot_profile_rules.ts";
import { BOOT_PROFILE_MAGIC, OSTREE_FILESYSTEMS, SOURCE_TAGS } from "./encode_boot_profile.ts";
import { isRecordStart } from "./record_magics.ts";

interface Layout {
  readonly version: number;
  readonly pipeline: PipelineLayout;
  readonly hasInjectMac: boolean;
}

/** Newest first. */
const LAYOUTS: readonly Layout[] = [
  { version: 0, pipeline: CURRENT_PIPELINE_LAYOUT, hasInjectMac: true },
  { version: 0, pipeline: MARCH_PIPELINE_LAYOUT, hasInjectMac: false },
  { version: 0, pipeline: { ...MARCH_PIPELINE_LAYOUT, hasCorsMode: false }, hasInjectMac: false },
  { version: 2, pipeline: { ...MARCH_PIPELINE_LAYOUT, hasContent: false }, hasInjectMac: false },
];

/** Fewer bytes behind an old layout are no image but the rest of a damaged file of the current one. */
const LEAST_IMAGE_BYTES = 1024;

/** A profile and where its record ends. */
export interface BootProfileRecord {
  readonly profile: BootProfile;
  readonly sizeBytes: number;
}

/**
 * Decodes the record at the start of `bytes`; what follows it is left alone.
 *
 * @throws {FastboopError} `corrupt`, `limit` for long texts and lists, `unsupported` for another version.
 */
export function decodeBootProfile(
  bytes: Uint8Array,
  what = "the compiled boot profile",
): BootProfileRecord {
  const action = `Read ${what}`;
  const version = readVersion(bytes, action);
  let first: FastboopError | undefined;
  let found: BootProfileRecord | undefined;
  for (const layout of LAYOUTS.filter((layout) => layout.version === version)) {
    try {
      const record = decodeAs(layout, bytes, action);
      const { sizeBytes } = record;
      if (sizeBytes === bytes.length || isRecordStart(bytes, sizeBytes)) return record;
      if (layout === LAYOUTS[0] || bytes.length - sizeBytes >= LEAST_IMAGE_BYTES) found ??= record;
    } catch (error) {
      if (!(error instanceof FastboopError)) throw error;
      first ??= error;
    }
  }
  return found ?? fail(action, first);
}

function readVersion(bytes: Uint8Array, action: string): number {
  const reader = new PostcardReader(bytes, action);
  const magic = new TextDecoder("latin1").decode(reader.raw(BOOT_PROFILE_MAGIC.length));
  if (magic !== BOOT_PROFILE_MAGIC) reader.fail(`it does not begin with ${BOOT_PROFILE_MAGIC}`);
  const version = reader.byte() + reader.byte() * 256;
  const isKnown = LAYOUTS.some((layout) => layout.version === version);
  return isKnown
    ? version
    : reader.fail(`its version is ${version}, 0 and 2 are read`, "unsupported");
}

function fail(action: string, first: FastboopError | undefined): never {
  throw first ?? new FastboopError({
    kind: "corrupt",
    action,
    state: "it ends neither at its end nor before another record or an image",
  });
}

function decodeAs(layout: Layout, bytes: Uint8Array, action: string): BootProfileRecord {
  const reader = new PostcardReader(bytes, action, BOOT_PROFILE_MAGIC.length + 2);
  const profile = new ProfileDecoder(reader, layout).profile();
  return { profile, sizeBytes: reader.offsetBytes };
}

class ProfileDecoder {
  readonly #overlays = new OverlayBudget();

  constructor(readonly reader: PostcardReader, readonly layout: Layout) {}

  profile(): BootProfile {
    const { reader } = this;
    const id = this.#text("id");
    const displayName = reader.option(() => this.#optionalText("display_name"));
    const rootfs = this.#source();
    const kernel = reader.option(() => this.#file("kernel"));
    const dtbs = reader.option(() => this.#file("dtbs"));
    const dtOverlays = this.#overlayList();
    const extraCmdline = reader.option(() => this.#optionalText("extra_cmdline"));
    const kernelModules = this.#modules();
    const devices = this.#devices();
    return {
      id,
      ...(displayName === undefined ? {} : { displayName }),
      rootfs,
      ...(kernel === undefined ? {} : { kernel }),
      ...(dtbs === undefined ? {} : { dtbs }),
      dtOverlays,
      ...(extraCmdline === undefined ? {} : { extraCmdline }),
      stage0: { kernelModules, devices },
    };
  }

  #devices(): Map<string, BootProfileDevice> {
    const devices = new Map<string, BootProfileDevice>();
    this.reader.list(5, MAX_DEVICES, () => {
      const id = this.#text("device");
      if (devices.has(id)) this.reader.fail("a device is there twice");
      devices.set(id, this.#device());
    });
    return devices;
  }

  #device(): BootProfileDevice {
    const { reader } = this;
    const dtOverlays = this.#overlayList();
    const extraCmdline = reader.option(() => this.#optionalText("extra_cmdline"));
    const kernelModules = this.#modules();
    const injectMac = this.layout.hasInjectMac ? reader.option(() => this.#injectMac()) : undefined;
    return {
      dtOverlays,
      ...(extraCmdline === undefined ? {} : { extraCmdline }),
      kernelModules,
      ...(injectMac === undefined ? {} : { injectMac }),
    };
  }

  #injectMac(): NonNullable<BootProfileDevice["injectMac"]> {
    const wifi = this.reader.option(() => this.#text("wifi"));
    const bluetooth = this.reader.option(() => this.#text("bluetooth"));
    return {
      ...(wifi === undefined ? {} : { wifi }),
      ...(bluetooth === undefined ? {} : { bluetooth }),
    };
  }

  #file(what: string): ArtifactFile {
    return { path: this.#text(`${what}.path`), ...this.#source() };
  }

  #source(): ArtifactSource {
    const { reader } = this;
    const tag = reader.varint("u32");
    const isOstree = tag === SOURCE_TAGS.ostree;
    const number = isOstree ? reader.varint("u32") : tag - SOURCE_TAGS.erofs;
    const filesystem = OSTREE_FILESYSTEMS[number] ??
      reader.fail(`no file system has the number ${isOstree ? number : tag}`);
    return { filesystem, isOstree, pipeline: readPipeline(reader, this.layout.pipeline) };
  }

  #overlayList(): Uint8Array[] {
    const { reader } = this;
    return reader.list(1, MAX_LIST_ITEMS, () => {
      const bytes = reader.bytes(reader.leftBytes).slice();
      const problem = overlayProblem(bytes);
      if (problem !== undefined) reader.fail(`an overlay ${problem}`);
      if (!this.#overlays.take(bytes.length)) reader.fail("the overlays are too large", "limit");
      return bytes;
    });
  }

  #modules(): string[] {
    return this.reader.list(1, MAX_LIST_ITEMS, () => this.#text("kernel_modules"));
  }

  #text(what: string): string {
    return this.#checked(what, textProblem);
  }

  #optionalText(what: string): string {
    return this.#checked(what, optionalTextProblem);
  }

  #checked(what: string, problemOf: (text: string) => string | undefined): string {
    const text = this.reader.string(MAX_TEXT_BYTES);
    const problem = problemOf(text);
    return problem === undefined ? text : this.reader.fail(`${what} ${problem}`);
  }
}
