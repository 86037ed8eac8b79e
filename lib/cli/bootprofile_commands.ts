/** The verbs of boot profiles. */
import type { Command } from "./command.ts";

export const BOOTPROFILE_COMMANDS: readonly Command[] = [
  {
    name: "bootprofile create",
    summary: "Compile a boot profile's manifest (YAML or JSON)",
    words: "<manifest>",
    options: [
      { flags: "-o, --output <file>", text: "where to; - is stdout (default)" },
      {
        flags: "--optimize",
        text: "read every stage of its pipelines and add hints, so that booting needs no scan",
      },
    ],
    examples: [
      "fastboop bootprofile create profile.yaml -o profile.fbp",
      "fastboop bootprofile create profile.yaml --optimize -o profile.fbp",
    ],
    run: async (words, options, context) =>
      await (await import("./run_bootprofile.ts")).runBootprofileCreate(words, options, context),
  },
  {
    name: "bootprofile show",
    summary: "Show a compiled boot profile as its manifest",
    words: "<file>",
    options: [{ flags: "--json", text: "one JSON document on standard output" }],
    examples: ["fastboop bootprofile show profile.fbp"],
    run: async (words, options, context) =>
      await (await import("./run_bootprofile.ts")).runBootprofileShow(words, options, context),
  },
  {
    name: "bootprofile optimize",
    summary: "Write the hints of a compiled boot profile; into the profile when -o names it",
    words: "<file>",
    options: [{ flags: "-o, --output <file>", text: "where to; - is stdout (default)" }],
    examples: [
      "fastboop bootprofile optimize profile.fbp -o profile.fbp",
      "fastboop bootprofile optimize profile.fbp -o profile.fph",
    ],
    run: async (words, options, context) =>
      await (await import("./run_bootprofile.ts")).runBootprofileOptimize(words, options, context),
  },
];
