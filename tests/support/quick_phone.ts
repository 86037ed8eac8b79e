/**
 * A phone that needs no guest: a bootloader behind USB/IP which, told to boot, leaves the bus and comes
 * back as a gadget with the same ids and serial number.
 */
import { usbIpPhone } from "../smoo/usbip_phone.ts";
import { type BootloaderTraits, FakeBootloader } from "./fake_bootloader.ts";
import { SmooPhone, type SmooPhoneOptions } from "./smoo_phone.ts";
import { buildDescriptors, fastbootShape, smooShape } from "./usb_descriptors.ts";
import { type ScriptedDevice, UsbIpServer } from "./usbip_server.ts";
import { bootloaderDevice } from "./usbip_phone.ts";

/** Ids of the profile virtual-x86_64. */
const IDS = { vendorId: 0x18d1, productId: 0x4ee0 };

export interface QuickPhoneOptions extends BootloaderTraits {
  serial?: string;
  /** `product` of the bootloader; the profile asks for it. */
  product?: string;
  /** What it becomes; `nothing` stays away. */
  becomes?: SmooPhoneOptions | "nothing";
}

export class QuickPhone implements AsyncDisposable {
  readonly bootloader: FakeBootloader;
  readonly gadget: SmooPhone;
  readonly server: UsbIpServer;
  readonly serial: string;
  readonly #fastboot: ScriptedDevice;
  readonly #linux: ScriptedDevice;
  readonly #booted = Promise.withResolvers<void>();
  #hasLeft = false;

  constructor(options: QuickPhoneOptions = {}) {
    this.serial = options.serial ?? "QUICK-1";
    this.bootloader = new FakeBootloader({
      ...options,
      variables: {
        product: options.product ?? "fastboop-virtual-x86_64",
        "max-download-size": "0x4000000",
        ...options.variables,
      },
    });
    const becomes = options.becomes ?? {};
    this.gadget = new SmooPhone(becomes === "nothing" ? {} : becomes);
    const fastboot = { ...fastbootShape(this.serial), ...IDS };
    const plain = bootloaderDevice(this.bootloader);
    this.#fastboot = {
      ...plain,
      descriptors: buildDescriptors(fastboot),
      transferIn: async (endpoint, lengthBytes) => {
        const reply = await plain.transferIn!(endpoint, lengthBytes);
        const isLast = this.bootloader.booted && this.bootloader.replies.length === 0;
        if (isLast && !this.#hasLeft) {
          this.#hasLeft = true;
          // After the OKAY has gone out.
          setTimeout(() => this.#leave(becomes === "nothing" ? [] : [this.#linux]), 10);
        }
        return reply;
      },
    };
    this.#linux = {
      ...usbIpPhone(this.gadget),
      descriptors: buildDescriptors({ ...smooShape(this.serial), ...IDS }),
    };
    this.server = new UsbIpServer([this.#fastboot]);
  }

  get address(): string {
    return this.server.address;
  }

  /** Settles when it has left its bootloader. */
  get booted(): Promise<void> {
    return this.#booted.promise;
  }

  /** A cable that is pulled: nothing is on the bus. */
  unplug(): void {
    this.server.devices.length = 0;
    this.server.cut();
  }

  /** Linux is there again. */
  replug(): void {
    this.server.devices.push(this.#linux);
  }

  /** It restarts into its bootloader. */
  restart(): void {
    this.unplug();
    this.server.devices.push(this.#fastboot);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }

  #leave(becomes: ScriptedDevice[]): void {
    this.server.devices.splice(0, Infinity, ...becomes);
    this.server.cut();
    this.#booted.resolve();
  }
}
