/** Small inputs made by the formats' own tools, for the mutations to begin from. */
import assert from "node:assert/strict";
import { hasTool, run, withTempDir } from "../filesystems/foreign_tools.ts";

/** A shell line that writes what it makes into `out`, run where a small tree lies in `tree`. */
export interface Recipe {
  /** Programs it needs. */
  readonly tools: readonly string[];
  readonly lines: readonly string[];
}

/** The files those lines make; none when a tool is missing. */
export function made({ tools, lines }: Recipe): () => Promise<Uint8Array[]> {
  return () => {
    if (!tools.every(hasTool)) return Promise.resolve([]);
    return withTempDir(async (folder) => {
      await makeTree(`${folder}/tree`);
      const inputs: Uint8Array[] = [];
      for (const line of lines) {
        const { code, stderr } = await run("sh", ["-ec", `rm -f out; ${line}`], { cwd: folder });
        assert.equal(code, 0, `${line}: ${stderr}`);
        inputs.push(await Deno.readFile(`${folder}/out`));
      }
      return inputs;
    });
  };
}

async function makeTree(path: string): Promise<void> {
  await Deno.mkdir(`${path}/folder/inner`, { recursive: true });
  await Deno.writeTextFile(`${path}/hello`, "hello\n");
  await Deno.writeTextFile(`${path}/folder/a-name-that-is-long-enough-for-two-slots`, "long\n");
  let text = "";
  for (let i = 0; text.length < 5500; i++) text += `line ${i * 7919 % 1000} of the text\n`;
  await Deno.writeTextFile(`${path}/folder/text`, text);
  await Deno.symlink("folder/text", `${path}/link`);
}
