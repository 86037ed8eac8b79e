/** Every parser of bytes from outside that has no mutation test of its own beside its unit tests. */
import { parseBootImage } from "../../lib/bootimg/parse.ts";
import { editFdt } from "../../lib/devicetree/edit_fdt.ts";
import { encodeFdt } from "../../lib/devicetree/encode_fdt.ts";
import { parseFdt } from "../../lib/devicetree/parse_fdt.ts";
import { openCpio } from "../../lib/filesystems/cpio/open_cpio.ts";
import { readInitramfs } from "../../lib/filesystems/cpio/read_initramfs.ts";
import { openErofs } from "../../lib/filesystems/erofs/open_erofs.ts";
import { openExt4 } from "../../lib/filesystems/ext4/open_ext4.ts";
import { openFat } from "../../lib/filesystems/fat/open_fat.ts";
import { openIso9660 } from "../../lib/filesystems/iso9660/open_iso9660.ts";
import { openTar } from "../../lib/filesystems/tar/open_tar.ts";
import { openZip } from "../../lib/filesystems/zip/open_zip.ts";
import { openAndroidSparse } from "../../lib/images/android_sparse/open_android_sparse.ts";
import { openCasync } from "../../lib/images/casync/open_casync.ts";
import { openGzip } from "../../lib/images/gzip/open_gzip.ts";
import { listPartitions, openPartition } from "../../lib/images/partitions.ts";
import { decodeHintsRecord } from "../../lib/images/pipeline/decode_hints.ts";
import { decodePipeline } from "../../lib/images/pipeline/decode_pipeline.ts";
import { encodeHintsRecord } from "../../lib/images/pipeline/encode_hints.ts";
import { encodePipeline } from "../../lib/images/pipeline/encode_pipeline.ts";
import { pipelineIdentity } from "../../lib/images/pipeline/pipeline_identity.ts";
import type { Pipeline } from "../../lib/images/pipeline/pipeline.ts";
import { unwrap } from "../../lib/images/unwrap.ts";
import { openXz } from "../../lib/images/xz/open_xz.ts";
import { openZstd } from "../../lib/images/zstd/open_zstd.ts";
import { encodeBootProfile } from "../../lib/profiles/boot/encode_boot_profile.ts";
import { parseBootProfile } from "../../lib/profiles/boot/parse_boot_profile.ts";
import { parseChannel } from "../../lib/profiles/boot/parse_channel.ts";
import { parseDeviceProfile } from "../../lib/profiles/device_profile.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { FileTree } from "../../lib/sources/file_tree.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { compileDts } from "../devicetree/fdt_blob.ts";
import { hasTool } from "../filesystems/foreign_tools.ts";
import { outcomeOf } from "../filesystems/hostile_images.ts";
import { encodeSparse } from "../images/android_sparse/sparse_images.ts";
import { makeCasync, memoryStore } from "../images/casync/casync_stores.ts";
import { readFixture } from "../support/fixture.ts";
import type { FuzzTarget } from "./run_cases.ts";
import { made, type Recipe } from "./seeds.ts";

const text = new TextEncoder();
const lines = (...all: string[]) => [text.encode(all.join("\n"))];
const BOARD = `/dts-v1/; / { compatible = "a,b"; x: soc { u@1 { reg = <1>; to = <&x>; }; }; };`;
const DEVICES = new URL("../../lib/profiles/devices/", import.meta.url);
const PAGE = Uint8Array.from({ length: 4096 }, (_, i) => (i * 31) >> 3);

/** A container: opened, and read at both ends. */
function container(
  name: string,
  seeds: FuzzTarget["seeds"],
  open: (source: Reader) => Promise<Reader>,
): FuzzTarget {
  return {
    name,
    seeds,
    async parse(bytes) {
      await using reader = await open(new MemoryReader(bytes, "image"));
      const piece = new Uint8Array(Math.min(reader.sizeBytes, 8192));
      await reader.readAt(0, piece);
      await reader.readAt(reader.sizeBytes - piece.length, piece);
    },
  };
}

/** A file system or archive: every file of it is read, whatever else of it fails. */
function tree(
  name: string,
  recipe: Recipe,
  open: (reader: Reader) => Promise<FileTree>,
): FuzzTarget {
  return {
    name,
    seeds: made(recipe),
    async parse(bytes) {
      await outcomeOf(open, bytes);
      // What it holds is told apart above; here an image that cannot be opened is to count as refused.
      await using _tree = await open(new MemoryReader(bytes, "image"));
    },
  };
}

const PIPELINE: Pipeline = {
  kind: "gpt",
  selector: { partlabel: "rootfs" },
  source: {
    kind: "android_sparseimg",
    source: {
      kind: "xz",
      source: {
        kind: "http",
        url: "https://example.org/edge.img.xz",
        corsSafelistedMode: true,
        content: { digest: `sha512:${"1".repeat(128)}`, sizeBytes: 5_000_000_000 },
      },
    },
  },
};

const MANIFEST = [
  "id: edge",
  "display_name: Edge",
  "rootfs:",
  "  ext4:",
  "    mbr:",
  "      index: 1",
  "      android_sparseimg:",
  "        xz:",
  "          http: https://example.org/edge.img.xz",
  "kernel: {path: /vmlinuz, fat: {gpt: {partlabel: boot, file: ./edge.img}}}",
  "extra_cmdline: console=ttyMSM0,115200n8",
  "stage0:",
  "  extra_modules: [ff-memless]",
  "  devices: {oneplus-fajita: {extra_cmdline: quiet}}",
];

async function channels(): Promise<Uint8Array[]> {
  const profile = encodeBootProfile(await parseBootProfile(MANIFEST.join("\n"), "manifest"));
  const hints = new Map([[pipelineIdentity(PIPELINE), [{
    kind: "content-digest" as const,
    digest: `sha512:${"2".repeat(128)}`,
    sizeBytes: 77,
  }, {
    kind: "block-hashes" as const,
    blockSizeBytes: 4096,
    sizeBytes: 9000,
    hashes: new Uint8Array(96).fill(7),
  }]]]);
  const record = encodeHintsRecord(hints);
  return [profile, record, new Uint8Array([...profile, ...record])];
}

function sparse(): Promise<Uint8Array[]> {
  const { stored } = encodeSparse([
    { kind: "raw", bytes: PAGE },
    { kind: "fill", pattern: 0x12345678, blocks: 3 },
    { kind: "skip", blocks: 2 },
    { kind: "crc" },
    { kind: "raw", bytes: PAGE.subarray(0, 1024) },
  ], { blockBytes: 1024 });
  return Promise.resolve([stored]);
}

/** Two primary partitions, an extended one, two logical ones. */
const MBR = [[40, 100], [200, 100], [400, 500, ",type=5"], [402, 50], [460, 50]]
  .map(([start, size, type]) => `start=${start},size=${size}${type ?? ""}\\n`).join("");

const CASYNC = makeCasync([PAGE, PAGE.subarray(7, 2000), PAGE.subarray(100)]);

/** Those with 20,000 cases of their own in their room's tests, which repair checksums first. */
export const OWN_TESTS: readonly FuzzTarget[] = [
  tree("erofs", {
    tools: ["mkfs.erofs"],
    lines: ["-x-1", "-zlz4", "-zlz4hc -C65536", "--chunksize=4096"]
      .map((how) => `mkfs.erofs --quiet -Enosbcrc -T0 ${how} out tree`),
  }, openErofs),
  tree("ext4", {
    tools: ["mke2fs"],
    lines: ["ext4 -O ^metadata_csum,inline_data", "ext2", "ext4 -O ^metadata_csum,^extent,^64bit"]
      .map((how) => `mke2fs -qFb1024 -O ^has_journal -d tree -t ${how} out 256k`),
  }, openExt4),
  {
    name: "device-tree",
    seeds: async () => hasTool("dtc") ? [await compileDts(BOARD, ["-@"])] : [],
    parse: (bytes) => void encodeFdt(editFdt(parseFdt(bytes, "x"))),
  },
  {
    name: "initramfs",
    seeds: made({
      tools: ["cpio", "gzip"],
      lines: [
        "(cd tree && find . | cpio --quiet -o -H newc) > out; (cd tree && ls | cpio --quiet -o -H newc) | gzip >> out",
      ],
    }),
    parse: (bytes) => void readInitramfs(bytes),
  },
];

export const TARGETS: readonly FuzzTarget[] = [
  container(
    "xz",
    made({
      tools: ["xz"],
      lines: [
        "xz -c tree/folder/text > out",
        "xz -c --block-size=1000 -C sha256 tree/folder/text > out; xz -c -C crc32 tree/hello >> out",
        "xz -c --x86 --lzma2=preset=1 -C crc64 tree/folder/text > out",
      ],
    }),
    (source) => openXz(source),
  ),
  container(
    "gzip",
    made({
      tools: ["gzip"],
      lines: ["gzip -c tree/folder/text > out; gzip -c1 tree/hello >> out"],
    }),
    (source) => openGzip(source),
  ),
  container(
    "zstd",
    made({
      tools: ["zstd"],
      lines: [
        "zstd -qc tree/folder/text > out; zstd -qc tree/hello >> out",
        "cat tree/folder/text | zstd -qc > out",
      ],
    }),
    (source) => openZstd(source),
  ),
  container("android-sparse", sparse, (source) => openAndroidSparse(source)),
  container("casync", () => Promise.resolve([CASYNC.index]), (source) => {
    return openCasync(source, memoryStore(CASYNC.files).store, {});
  }),
  tree("tar", {
    tools: ["tar"],
    lines: ["gnu", "pax", "v7"].map((format) => `tar --format=${format} -cf out -C tree .`),
  }, openTar),
  tree("zip", {
    tools: ["zip"],
    lines: ["cd tree && zip -qry ../out.zip . && mv ../out.zip ../out"],
  }, openZip),
  tree("iso9660", {
    tools: ["xorriso"],
    lines: ["-R", "-J", "-R -J"].map((how) => `xorriso -as mkisofs -quiet ${how} -o out tree`),
  }, openIso9660),
  tree("cpio", {
    tools: ["cpio"],
    lines: ["cd tree && find . | cpio --quiet -o -H newc > ../out"],
  }, openCpio),
  tree("fat", {
    tools: ["mkfs.vfat", "mcopy"],
    lines: ["12 -C out 200", "16 -s1 -C out 2200"].map((how) =>
      `mkfs.vfat -F ${how} >&2 && MTOOLS_SKIP_CHECK=1 mcopy -i out -s tree/hello tree/folder ::/`
    ),
  }, openFat),
  {
    name: "partitions",
    seeds: made({
      tools: ["sgdisk", "sfdisk"],
      lines: [
        "truncate -s 256K out; sgdisk -a1 -n1:40:80 -c1:boot -n2:90:200 -c2:rootfs out >&2",
        `truncate -s 512K out; printf '${MBR}' | sfdisk -q out >&2`,
      ],
    }),
    async parse(bytes) {
      const source = new MemoryReader(bytes, "disk");
      const table = await listPartitions(source);
      for (const partition of table?.partitions ?? []) {
        const reader = openPartition(source, partition);
        const piece = new Uint8Array(Math.min(512, reader.sizeBytes));
        await reader.readAt(reader.sizeBytes - piece.length, piece);
      }
      await using _inner = (await unwrap(source, { purpose: "inspect" })).reader;
    },
  },
  {
    name: "channel",
    seeds: channels,
    parse: (bytes) => void parseChannel(bytes),
  },
  {
    name: "pipeline",
    seeds: () => Promise.resolve([encodePipeline(PIPELINE)]),
    parse: (bytes) => void decodePipeline(bytes),
  },
  {
    name: "hints",
    seeds: async () => (await channels()).slice(1, 2),
    parse: (bytes) => void decodeHintsRecord(bytes),
  },
  {
    name: "boot-profile-manifest",
    seeds: () => Promise.resolve(lines(...MANIFEST)),
    parse: async (bytes) =>
      void await parseBootProfile(new TextDecoder().decode(bytes), "manifest"),
  },
  {
    name: "device-profile",
    seeds: async () => [await Deno.readFile(new URL("virtual-x86_64.yaml", DEVICES))],
    parse: (bytes) => void parseDeviceProfile(new TextDecoder().decode(bytes), "profile"),
  },
  {
    name: "boot-image",
    seeds: () => Promise.all(["bootimg-v0.img", "bootimg-v2.img"].map(readFixture)),
    parse: (bytes) => void parseBootImage(bytes),
  },
];
