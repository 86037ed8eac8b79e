/**
 * A boot profile's manifest (YAML or JSON) -> the value. Source: fastboop-cli.md 3.1 and its older generation 1.5.
 *
 * Unknown keys are errors at every level. The list of modules may be called `kernel_modules` or, as it first was,
 * `extra_modules`. An overlay is `{base64: ...}` or `{path: FILE.dtbo}`: source text would need a compiler.
 */
import { type Document, DocumentNode } from "../../images/pipeline/document_node.ts";
import { parsePipeline } from "../../images/pipeline/parse_pipeline.ts";
import type {
  ArtifactFile,
  ArtifactSource,
  BootProfile,
  BootProfileDevice,
} from "../boot_profile.ts";
import { parseYaml } from "../parse_yaml.ts";
import {
  MAX_DEVICES,
  MAX_LIST_ITEMS,
  OverlayBudget,
  overlayProblem,
} from "./boot_profile_rules.ts";

export interface ParseBootProfileOptions {
  /** Reads a `.dtbo` a manifest names. Without it a path is refused. */
  readonly readOverlay?: (path: string) => Promise<Uint8Array>;
}

const FILESYSTEMS = ["erofs", "ext4", "fat"] as const;
const SOURCES = [...FILESYSTEMS, "ostree"] as const;

/**
 * Parses one manifest; `what` names it in errors.
 *
 * @throws {FastboopError} `corrupt` with path, line and column; `limit` above 1 MiB; `unsupported` for an overlay as
 * source text; what `readOverlay` throws.
 */
export async function parseBootProfile(
  text: string,
  what: string,
  options: ParseBootProfileOptions = {},
): Promise<BootProfile> {
  const yaml = parseYaml(text, what);
  const document: Document = { what, place: (path, atKey) => yaml.place(path, atKey) };
  return await new ManifestParser(options).profile(new DocumentNode(yaml.data, document));
}

class ManifestParser {
  readonly #options: ParseBootProfileOptions;
  readonly #overlays = new OverlayBudget();

  constructor(options: ParseBootProfileOptions) {
    this.#options = options;
  }

  async profile(root: DocumentNode): Promise<BootProfile> {
    root.only(
      ["id", "display_name", "rootfs", "kernel", "dtbs", "dt_overlays", "extra_cmdline", "stage0"],
      { kernel_modules: "Put it under stage0", extra_modules: "Put it under stage0" },
    );
    const displayName = root.optional("display_name")?.optionalText();
    const kernel = root.optional("kernel");
    const dtbs = root.optional("dtbs");
    return {
      id: root.required("id").text(),
      ...(displayName === undefined ? {} : { displayName }),
      rootfs: parseSource(root.required("rootfs"), []),
      ...(kernel === undefined ? {} : { kernel: parseFile(kernel) }),
      ...(dtbs === undefined ? {} : { dtbs: parseFile(dtbs) }),
      dtOverlays: await this.#overlayList(root),
      ...extraCmdline(root),
      stage0: await this.#stage0(root.optional("stage0")),
    };
  }

  async #stage0(node: DocumentNode | undefined): Promise<BootProfile["stage0"]> {
    const devices = new Map<string, BootProfileDevice>();
    if (node === undefined) return { kernelModules: [], devices };
    node.only([...MODULE_KEYS, "devices"], {
      inject_mac: "It differs by device: put it under stage0.devices.<id>.stage0",
    });
    const section = node.optional("devices");
    const ids = section?.keys() ?? [];
    if (ids.length > MAX_DEVICES) {
      section?.fail(`has ${ids.length} devices, at most ${MAX_DEVICES}`);
    }
    for (const id of ids) {
      const device = section!.child(id);
      if (id.trim() === "") device.fail("a device has no id", { atKey: true });
      if (device.value === null) device.fail("is empty", { hint: "Write {} for no changes" });
      devices.set(id, await this.#device(device));
    }
    return { kernelModules: moduleNames(node), devices };
  }

  async #device(node: DocumentNode): Promise<BootProfileDevice> {
    node.only(["dt_overlays", "extra_cmdline", "stage0"]);
    const stage0 = node.optional("stage0");
    stage0?.only([...MODULE_KEYS, "inject_mac"]);
    const mac = stage0?.optional("inject_mac");
    mac?.only(["wifi", "bluetooth"]);
    const wifi = mac?.optional("wifi")?.text();
    const bluetooth = mac?.optional("bluetooth")?.text();
    const injectMac = {
      ...(wifi === undefined ? {} : { wifi }),
      ...(bluetooth === undefined ? {} : { bluetooth }),
    };
    return {
      dtOverlays: await this.#overlayList(node),
      ...extraCmdline(node),
      kernelModules: stage0 === undefined ? [] : moduleNames(stage0),
      ...(mac === undefined ? {} : { injectMac }),
    };
  }

  async #overlayList(node: DocumentNode): Promise<Uint8Array[]> {
    const overlays: Uint8Array[] = [];
    for (const item of node.optional("dt_overlays")?.list(MAX_LIST_ITEMS) ?? []) {
      const bytes = await this.#overlay(item);
      const problem = overlayProblem(bytes);
      if (problem !== undefined) item.fail(problem);
      if (!this.#overlays.take(bytes.length)) {
        item.fail("the overlays are too large", { kind: "limit" });
      }
      overlays.push(bytes);
    }
    return overlays;
  }

  async #overlay(item: DocumentNode): Promise<Uint8Array> {
    if (typeof item.value === "string") {
      return item.fail(
        "an overlay as source text needs a compiler, which is not part of fastboop",
        {
          kind: "unsupported",
          hint: "Compile it with dtc -@ -I dts -O dtb, and write path: FILE.dtbo, or base64:",
        },
      );
    }
    item.only(["base64", "path"]);
    const base64 = item.optional("base64");
    const path = item.optional("path");
    if ((base64 === undefined) === (path === undefined)) item.fail("needs one of base64, path");
    if (base64 !== undefined) return decodeBase64(base64);
    const { readOverlay } = this.#options;
    const name = path!.text();
    return readOverlay === undefined
      ? path!.fail("files are not read here", { kind: "unsupported", hint: "Give it as base64:" })
      : await readOverlay(name);
  }
}

const MODULE_KEYS = ["kernel_modules", "extra_modules"] as const;

function moduleNames(node: DocumentNode): string[] {
  const [current, first] = MODULE_KEYS.map((key) => node.optional(key));
  if (current && first) first.fail("is the old name of kernel_modules: keep one", { atKey: true });
  return ((current ?? first)?.list(MAX_LIST_ITEMS) ?? []).map((item) => item.text());
}

function extraCmdline(node: DocumentNode): { extraCmdline?: string } {
  const text = node.optional("extra_cmdline")?.optionalText();
  return text === undefined ? {} : { extraCmdline: text };
}

function parseFile(node: DocumentNode): ArtifactFile {
  node.keys();
  return { path: node.required("path").text(), ...parseSource(node, ["path"]) };
}

/** The one file system key of a mapping, beside keys that are known already. */
function parseSource(node: DocumentNode, others: readonly string[]): ArtifactSource {
  node.only([...others, ...SOURCES]);
  const key = oneOf(node, SOURCES);
  if (key !== "ostree") {
    return { filesystem: key, isOstree: false, pipeline: pipelineAt(node.child(key)) };
  }
  const inner = node.child(key);
  inner.only(FILESYSTEMS);
  const filesystem = oneOf(inner, FILESYSTEMS);
  return { filesystem, isOstree: true, pipeline: pipelineAt(inner.child(filesystem)) };
}

function oneOf<T extends string>(node: DocumentNode, known: readonly T[]): T {
  const found = known.filter((key) => node.optional(key) !== undefined);
  return found.length === 1 ? found[0]! : node.fail(
    `needs exactly one of ${known.join(", ")}; it has ${found.join(" and ") || "none"}`,
  );
}

function pipelineAt({ value, document, path }: DocumentNode) {
  return parsePipeline(value, document, path);
}

function decodeBase64(node: DocumentNode): Uint8Array {
  // Not text(): an overlay may be longer than any name. The document's own bound holds it.
  const { value } = node;
  const text = typeof value === "string" ? value.replace(/\s+/g, "") : node.text();
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Uint8Array.fromBase64(text)
    : node.fail("is no base64");
}
