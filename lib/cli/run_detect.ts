/** `detect`: one line per phone on stdout. */
import { detectPhones } from "../boot/detect.ts";
import { openBus } from "../boot/open_bus.ts";
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { loadProfiles } from "./load_profiles.ts";
import { phoneRequest } from "./boot_words.ts";
import type { CommandContext, Options } from "./command.ts";

/** Line: `18d1:d00d path=1-2 serial=ABC profile=ID`, the profile repeated when several fit. */
export async function runDetect(
  options: Options,
  { signal, progress }: CommandContext,
): Promise<number> {
  const profiles = await loadProfiles({ onWarning: progress.warn });
  const request = phoneRequest(options);
  await using bus = await openBus(request.usb);
  const phones = await detectPhones(bus, profiles, request, signal);
  for (const phone of phones) {
    const ids = [phone.vendorId, phone.productId].map((id) => id.toString(16).padStart(4, "0"));
    const fitting = phone.profiles.map((profile) => `profile=${profile.id}`);
    const words = [
      ids.join(":"),
      `path=${phone.path}`,
      `serial=${phone.serial ?? "none"}`,
      ...(fitting.length > 0 ? fitting : ["profile=none"]),
    ];
    console.log(printable(words.join(" ")));
    if (phone.trouble !== undefined) {
      progress.warn(phone.trouble.message);
      if (phone.trouble.hint !== undefined) progress.note(phone.trouble.hint);
    }
  }
  if (phones.length > 0) return 0;
  throw new FastboopError({
    kind: "device",
    action: "Look for phones in fastboot mode",
    state: bus.emptyBecause ?? "there is none",
    hint:
      "Start the phone's bootloader and plug it in; fastboop detect --help shows how to name a server",
  });
}
