/**
 * A phone that can be booted any number of times: a bootloader behind USB/IP, after `boot` a gadget with
 * the same ids and serial number, and after `restart()` the bootloader again.
 */
import { FakeBootloader } from "../support/fake_bootloader.ts";
import { SmooPhone } from "../support/smoo_phone.ts";
import { buildDescriptors, fastbootShape, smooShape } from "../support/usb_descriptors.ts";
import { type ScriptedDevice, UsbIpServer } from "../support/usbip_server.ts";
import { bootloaderDevice } from "../support/usbip_phone.ts";
import { usbIpPhone } from "../smoo/usbip_phone.ts";

/** Ids of the profile virtual-x86_64. */
const IDS = { vendorId: 0x18d1, productId: 0x4ee0 };
const VARIABLES = { product: "fastboop-virtual-x86_64", "max-download-size": "0x4000000" };

/** One life: an image that was booted, and the system it became. */
export interface Life {
  readonly image: Uint8Array;
  readonly gadget: SmooPhone;
}

export class RestartingPhone implements AsyncDisposable {
  readonly lives: Life[] = [];
  readonly server = new UsbIpServer();
  readonly #serial: string;
  #waiting = Promise.withResolvers<void>();

  constructor(serial = "AGAIN-1") {
    this.#serial = serial;
    this.server.devices.push(this.#bootloader());
  }

  get address(): string {
    return this.server.address;
  }

  /** Life `number`, from 1 on, as soon as it was booted. */
  async life(number: number): Promise<Life> {
    while (this.lives.length < number) await this.#waiting.promise;
    return this.lives[number - 1]!;
  }

  /** It restarts into its bootloader. */
  restart(): void {
    this.server.devices.splice(0, Infinity, this.#bootloader());
    this.server.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }

  #bootloader(): ScriptedDevice {
    const bootloader = new FakeBootloader({ variables: VARIABLES });
    const plain = bootloaderDevice(bootloader);
    let hasLeft = false;
    return {
      ...plain,
      descriptors: buildDescriptors({ ...fastbootShape(this.#serial), ...IDS }),
      transferIn: async (endpoint, lengthBytes) => {
        const reply = await plain.transferIn!(endpoint, lengthBytes);
        if (bootloader.booted && bootloader.replies.length === 0 && !hasLeft) {
          hasLeft = true;
          // After the OKAY has gone out.
          setTimeout(() => this.#boot(bootloader.image!), 10);
        }
        return reply;
      },
    };
  }

  #boot(image: Uint8Array): void {
    const sessionId = BigInt(this.lives.length + 1);
    const life = { image, gadget: new SmooPhone({ sessionId }) };
    const device = {
      ...usbIpPhone(life.gadget),
      descriptors: buildDescriptors({ ...smooShape(this.#serial), ...IDS }),
    };
    this.server.devices.splice(0, Infinity, device);
    this.server.cut();
    this.lives.push(life);
    this.#waiting.resolve();
    this.#waiting = Promise.withResolvers<void>();
  }
}
