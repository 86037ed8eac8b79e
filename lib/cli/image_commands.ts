/** The verbs that look into images. */
import type { Command, CommandOption } from "./command.ts";

const PARTITION: CommandOption = {
  flags: "--partition <which>",
  text: "a partition of a disk: its number from 1, its label or its PARTUUID",
};
const ENTRY: CommandOption = {
  flags: "--entry <path>",
  text: "enter this image inside an archive (tar, zip, iso9660)",
};
const JSON_OUTPUT: CommandOption = {
  flags: "--json",
  text: "one JSON document on standard output",
};

export const IMAGE_COMMANDS: readonly Command[] = [
  {
    name: "image ls",
    summary: "List the files of an image, or the partitions of a disk",
    words: "<file> [path]",
    options: [
      { flags: "-R, --recursive", text: "directories below, too" },
      ...[PARTITION, ENTRY, JSON_OUTPUT],
    ],
    examples: [
      "fastboop image ls rootfs.ero etc",
      "fastboop image ls https://example.org/disk.img.xz --partition root -R",
    ],
    run: async (words, options, context) =>
      await (await import("./run_image_ls.ts")).runImageLs(words, options, context),
  },
  {
    name: "image cat",
    summary: "Write a file of an image to standard output; follows links inside the image",
    words: "<file> <path>",
    options: [PARTITION, ENTRY],
    examples: ["fastboop image cat rootfs.ero etc/os-release"],
    run: async (words, options, context) =>
      await (await import("./run_image_cat.ts")).runImageCat(words, options, context),
  },
  {
    name: "image info",
    summary: "Tell what an image is: containers, file system, label, partitions, kernels",
    words: "<file>",
    options: [PARTITION, ENTRY, JSON_OUTPUT],
    examples: ["fastboop image info disk.img.xz"],
    run: async (words, options, context) =>
      await (await import("./run_image_info.ts")).runImageInfo(words, options, context),
  },
  {
    name: "image extract",
    summary: "Copy files of an image into a new or empty directory",
    words: "<file> [path]",
    options: [
      { flags: "-C, --directory <dir>", text: "where to; must be empty or not be there yet" },
      ...[PARTITION, ENTRY, JSON_OUTPUT],
    ],
    examples: ["fastboop image extract rootfs.ero usr/lib/firmware -C firmware"],
    run: async (words, options, context) =>
      await (await import("./run_image_extract.ts")).runImageExtract(words, options, context),
  },
  {
    name: "show",
    summary: "Tell what any file is: image, archive, kernel, device tree, boot image, profile",
    words: "<file>",
    options: [JSON_OUTPUT],
    examples: ["fastboop show boot.img", "fastboop show rootfs.img.xz"],
    run: async (words, options, context) =>
      await (await import("./run_show.ts")).runShow(words, options, context),
  },
];
