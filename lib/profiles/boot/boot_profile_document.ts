/** A boot profile as a manifest says it: parseBootProfile gives the same value back. */
import { stringify } from "yaml";
import { compareUtf8 } from "../../bytes/compare.ts";
import { pipelineDocument } from "../../images/pipeline/pipeline_document.ts";
import type { ArtifactSource, BootProfile, BootProfileDevice } from "../boot_profile.ts";

/** As YAML; the same value always gives the same text. */
export function encodeBootProfileYaml(profile: BootProfile): string {
  return stringify(bootProfileDocument(profile), {
    lineWidth: 0,
    aliasDuplicateObjects: false,
    blockQuote: false,
  });
}

/** As plain data. */
export function bootProfileDocument(profile: BootProfile): Record<string, unknown> {
  const { id, displayName, kernel, dtbs } = profile;
  const stage0 = stage0Document(profile.stage0);
  return {
    id,
    ...(displayName === undefined ? {} : { display_name: displayName }),
    rootfs: sourceDocument(profile.rootfs),
    ...(kernel === undefined ? {} : { kernel: { path: kernel.path, ...sourceDocument(kernel) } }),
    ...(dtbs === undefined ? {} : { dtbs: { path: dtbs.path, ...sourceDocument(dtbs) } }),
    ...commonDocument(profile),
    ...(Object.keys(stage0).length === 0 ? {} : { stage0 }),
  };
}

function sourceDocument({ filesystem, isOstree, pipeline }: ArtifactSource) {
  const source = { [filesystem]: pipelineDocument(pipeline) };
  return isOstree ? { ostree: source } : source;
}

function commonDocument({ dtOverlays, extraCmdline }: BootProfile | BootProfileDevice) {
  const overlays = dtOverlays.map((bytes) => ({ base64: bytes.toBase64() }));
  return {
    ...(overlays.length === 0 ? {} : { dt_overlays: overlays }),
    ...(extraCmdline === undefined ? {} : { extra_cmdline: extraCmdline }),
  };
}

function stage0Document({ kernelModules, devices }: BootProfile["stage0"]) {
  const sorted = [...devices].sort(([a], [b]) => compareUtf8(a, b));
  return {
    ...modulesDocument(kernelModules),
    ...(devices.size === 0 ? {} : {
      devices: Object.fromEntries(sorted.map(([id, device]) => [id, deviceDocument(device)])),
    }),
  };
}

function deviceDocument(device: BootProfileDevice) {
  const stage0 = {
    ...modulesDocument(device.kernelModules),
    ...(device.injectMac === undefined ? {} : { inject_mac: { ...device.injectMac } }),
  };
  return {
    ...commonDocument(device),
    ...(Object.keys(stage0).length === 0 ? {} : { stage0 }),
  };
}

function modulesDocument(kernelModules: readonly string[]) {
  return kernelModules.length === 0 ? {} : { kernel_modules: [...kernelModules] };
}
