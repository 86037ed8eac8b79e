/**
 * What the image benches start: `first-block TREE`, `ext4 TREE FILE` or `cpio TREE FILE`.
 *
 * first-block prints how many bytes the process had written to storage by then.
 */
import { DirectoryTree } from "../../lib/sources/directory.ts";

const [mode, source, target] = Deno.args;

async function firstBlock(): Promise<void> {
  const { ModulesTree } = await import("../../lib/kernel/modules_tree.ts");
  const { layoutExt4 } = await import("../../lib/filesystems/ext4/layout.ts");
  const { Ext4Image } = await import("../../lib/filesystems/ext4/image.ts");
  const [, root, directory] = /^(.*)\/(lib\/modules\/[^/]+)$/.exec(source!)!;
  const tree = new ModulesTree(new DirectoryTree(root!), { directory: directory! });
  const image = new Ext4Image(await layoutExt4(tree, { label: "fastboop-modules" }));
  await image.readAt(0, new Uint8Array(4096));
  const written = /^write_bytes: (\d+)$/m.exec(Deno.readTextFileSync("/proc/self/io"))?.[1];
  console.log(written);
}

async function writeImage(): Promise<void> {
  const { layoutExt4 } = await import("../../lib/filesystems/ext4/layout.ts");
  const { Ext4Image } = await import("../../lib/filesystems/ext4/image.ts");
  const { writeExt4 } = await import("../../lib/filesystems/ext4/write.ts");
  const { openOutputFile } = await import("../../lib/sources/output_file.ts");
  await using tree = new DirectoryTree(source!, { blockingReads: true });
  const image = new Ext4Image(await layoutExt4(tree));
  await using output = openOutputFile(target!);
  await writeExt4(image, output);
  output.commit();
}

async function writeArchive(): Promise<void> {
  const { cpioEntries } = await import("../../lib/filesystems/cpio/cpio_entries.ts");
  const { writeCpio } = await import("../../lib/filesystems/cpio/write_cpio.ts");
  const { openOutputFile } = await import("../../lib/sources/output_file.ts");
  await using tree = new DirectoryTree(source!, { blockingReads: true });
  await using output = openOutputFile(target!);
  await writeCpio(await cpioEntries(tree), output);
  output.commit();
}

if (mode === "first-block") await firstBlock();
else if (mode === "ext4") await writeImage();
else await writeArchive();
