/** A program of its own: Deno cannot stop a worker inside a loop, only the process's end does. */
import { openImageWorker } from "../../../lib/filesystems/worker/open_image_worker.ts";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";

const worker = openImageWorker({
  url: new URL("./hostile_worker.ts", import.meta.url),
  tickMs: 20,
  // Each of the two guards alone.
  ...Deno.args[0] === "hoard" ? { growthBytes: 200 << 20 } : { silentTicks: 10 },
});
const leaf = () => new MemoryReader(new Uint8Array(16), "leaf");
const both = await Promise.allSettled([
  worker.open({ leaf: leaf() }, { entry: Deno.args[0]! }),
  worker.open({ leaf: leaf() }, { entry: Deno.args[0]! }),
]);
for (const result of both) {
  const error = result.status === "rejected" ? result.reason : undefined;
  console.log(error instanceof FastboopError ? `${error.kind}: ${error.state}` : "no typed error");
}
Deno.exit(0);
