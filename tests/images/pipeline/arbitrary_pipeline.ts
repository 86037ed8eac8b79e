/** Random pipelines that keep the rules. */
import fc from "fast-check";
import type { Content, Pipeline } from "../../../lib/images/pipeline/pipeline.ts";

const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12, unit: "binary" }),
  fc.constantFrom("https://a/b.img.xz", "./rootfs.ero", "true", "12", "~", "a: b", "# c", " x "),
).filter((value) => value.trim() !== "" && !/\.caidx/i.test(value));

const content: fc.Arbitrary<{ content?: Content }> = fc.option(
  fc.tuple(fc.stringMatching(/^[0-9a-f]{128}$/), fc.maxSafeNat())
    .map(([hex, sizeBytes]) => ({ digest: `sha512:${hex}`, sizeBytes })),
  { nil: undefined },
).map((value) => value === undefined ? {} : { content: value });

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const lba = fc.option(u32, { nil: undefined })
  .map((value) => value === undefined ? {} : { lbaSizeBytes: value });

const leaf: fc.Arbitrary<Pipeline> = fc.oneof(
  fc.tuple(text, fc.boolean(), content)
    .map(([url, corsSafelistedMode, c]) => ({
      kind: "http" as const,
      url,
      corsSafelistedMode,
      ...c,
    })),
  fc.tuple(text, content).map(([path, c]) => ({ kind: "file" as const, path, ...c })),
  fc.tuple(text, fc.option(text, { nil: undefined }), content).map(([index, chunkStore, c]) => ({
    kind: "casync" as const,
    index,
    ...(chunkStore === undefined ? {} : { chunkStore }),
    ...c,
  })),
);

type Wrap = (source: Pipeline) => Pipeline;

function wrapper(isUpstream: boolean): fc.Arbitrary<Wrap> {
  const plain = isUpstream
    ? ["xz", "android_sparseimg"] as const
    : ["xz", "android_sparseimg", "gzip", "zstd"] as const;
  const entries = isUpstream ? ["tar"] as const : ["tar", "zip", "iso9660"] as const;
  return fc.oneof(
    fc.tuple(fc.constantFrom(...plain), content)
      .map(([kind, c]): Wrap => (source) => ({ kind, source, ...c })),
    fc.tuple(fc.constantFrom(...entries), text, content)
      .map(([kind, entry, c]): Wrap => (source) => ({ kind, entry, source, ...c })),
    fc.tuple(
      fc.oneof(text.map((partuuid) => ({ partuuid })), u32.map((index) => ({ index }))),
      lba,
      content,
    ).map(([one, size, c]): Wrap => (source) => ({
      kind: "mbr",
      selector: { ...one, ...size },
      source,
      ...c,
    })),
    fc.tuple(
      fc.oneof(
        text.map((partlabel) => ({ partlabel })),
        text.map((partuuid) => ({ partuuid })),
        u32.map((index) => ({ index })),
      ),
      lba,
      content,
    ).map(([one, size, c]): Wrap => (source) => ({
      kind: "gpt",
      selector: { ...one, ...size },
      source,
      ...c,
    })),
  );
}

/** Pipelines; with `isUpstream` of upstream's eight stages only. */
export function pipelines(isUpstream = false): fc.Arbitrary<Pipeline> {
  return fc.tuple(leaf, fc.array(wrapper(isUpstream), { maxLength: 16 }))
    .map(([origin, wraps]) => wraps.reduce((source, wrap) => wrap(source), origin));
}
