/** A phone's gadget on a made-up bus: every time it is opened it hangs on a new cable in memory. */
import type { Identity } from "../../lib/boot/assemble.ts";
import type { UsbDevice } from "../../lib/usb/link.ts";
import { MemoryCable } from "../support/memory_link.ts";
import type { SmooPhone } from "../support/smoo_phone.ts";

export const IDENTITY: Identity = { vendorId: 0x18d1, productId: 0x4ee0, serial: "S1" };

export class GadgetDevice implements UsbDevice {
  readonly info: UsbDevice["info"];
  readonly cables: MemoryCable[] = [];
  readonly #phone: SmooPhone;
  readonly #serial: string;

  constructor(phone: SmooPhone, identity: Identity = IDENTITY, path = "1-1") {
    const { vendorId, productId, serial } = identity;
    this.info = { vendorId, productId, path };
    this.#phone = phone;
    this.#serial = serial;
  }

  // deno-lint-ignore require-await
  open: UsbDevice["open"] = async (match) => {
    const cable = new MemoryCable();
    if (!match(cable.link.claimed)) return undefined;
    this.cables.push(cable);
    this.#phone.attach(cable.port);
    return {
      ...cable.link,
      closed: cable.link.closed,
      info: { ...this.info, serial: this.#serial },
    };
  };
}
