/** Random boot profiles that keep the rules. */
import fc from "fast-check";
import type {
  ArtifactSource,
  BootProfile,
  BootProfileDevice,
} from "../../../lib/profiles/boot_profile.ts";
import { pipelines } from "../../images/pipeline/arbitrary_pipeline.ts";

const optional = fc.oneof(
  fc.string({ maxLength: 10, unit: "binary" }),
  fc.constantFrom(
    "",
    "splash",
    "console=ttyMSM0,115200n8",
    "a\nb\n",
    " x",
    "null",
    "0x10",
    "\u0085",
  ),
);
const text = optional.filter((value) => value.trim() !== "");
const key = fc.oneof(
  text,
  fc.constantFrom("__proto__", "12", "oneplus-fajita", "a: b", "constructor"),
);

/** A value or its absence, as exactOptionalPropertyTypes wants it. */
function maybe<K extends string, T>(
  name: K,
  value: fc.Arbitrary<T>,
): fc.Arbitrary<{ [P in K]?: T }> {
  return fc.option(value, { nil: undefined })
    .map((found) => (found === undefined ? {} : { [name]: found }) as { [P in K]?: T });
}

/** The head of a flattened tree, and bytes. */
const overlay = fc.uint8Array({ minLength: 40, maxLength: 60 }).map((bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  view.setUint32(0, 0xd00dfeed);
  view.setUint32(4, 40);
  return bytes;
});
const overlays = fc.array(overlay, { maxLength: 2 });

const source: fc.Arbitrary<ArtifactSource> = fc.tuple(
  fc.constantFrom("erofs" as const, "ext4" as const, "fat" as const),
  fc.boolean(),
  pipelines(),
).map(([filesystem, isOstree, pipeline]) => ({ filesystem, isOstree, pipeline }));

const file = fc.tuple(text, source).map(([path, from]) => ({ path, ...from }));

const device: fc.Arbitrary<BootProfileDevice> = fc.tuple(
  overlays,
  maybe("extraCmdline", optional),
  fc.array(text, { maxLength: 3 }),
  maybe(
    "injectMac",
    fc.tuple(maybe("wifi", text), maybe("bluetooth", text)).map(([a, b]) => ({ ...a, ...b })),
  ),
).map(([dtOverlays, cmdline, kernelModules, mac]) => ({
  dtOverlays,
  ...cmdline,
  kernelModules,
  ...mac,
}));

export const bootProfiles: fc.Arbitrary<BootProfile> = fc.tuple(
  text,
  maybe("displayName", optional),
  source,
  maybe("kernel", file),
  maybe("dtbs", file),
  overlays,
  maybe("extraCmdline", optional),
  fc.array(text, { maxLength: 3 }),
  fc.array(fc.tuple(key, device), { maxLength: 3 }).map((list) => new Map(list)),
).map(([id, name, rootfs, kernel, dtbs, dtOverlays, cmdline, kernelModules, devices]) => ({
  id,
  ...name,
  rootfs,
  ...kernel,
  ...dtbs,
  dtOverlays,
  ...cmdline,
  stage0: { kernelModules, devices },
}));
