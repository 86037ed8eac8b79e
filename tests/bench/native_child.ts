/**
 * What native_bench.ts starts: a kernel tree -> the first block of its modules image, without make. Prints the
 * peak of its memory in KiB and its processor time in milliseconds.
 */
import process from "node:process";
import { findKernelTree } from "../../lib/kernel/find_tree.ts";
import { prepareNativeModules } from "../../lib/kernel/native_modules/prepare_native_modules.ts";
import { layoutExt4 } from "../../lib/filesystems/ext4/layout.ts";
import { Ext4Image } from "../../lib/filesystems/ext4/image.ts";

const kernel = await findKernelTree(Deno.args[0]!, { env: {} });
const { tree } = await prepareNativeModules(kernel);
const image = new Ext4Image(await layoutExt4(tree, { label: "fastboop-modules" }));
await image.readAt(0, new Uint8Array(4096));
const rssKib = /^VmHWM:\s*(\d+)/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
const { user, system } = process.cpuUsage();
console.log(`${rssKib} ${Math.round((user + system) / 1000)}`);
