import { openInput } from "../../lib/boot/open_input.ts";
import { prepare, type Prepared } from "../../lib/boot/prepare.ts";
import type { PrepareOptions } from "../../lib/boot/prepare_kernel.ts";
import type { BootRequest } from "../../lib/boot/request.ts";
import type { DeviceProfile } from "../../lib/profiles/device_profile.ts";

/** Opens the inputs and prepares them; disposal closes both. */
export async function prepareFor(
  request: BootRequest,
  profile: DeviceProfile | undefined,
  options: PrepareOptions,
): Promise<Prepared> {
  await using stack = new AsyncDisposableStack();
  const input = stack.use(await openInput(request, options));
  const prepared = stack.use(await prepare(request, input, profile, options));
  const held = stack.move();
  return { ...prepared, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
