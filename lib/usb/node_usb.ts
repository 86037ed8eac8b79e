/**
 * This machine's USB ports, over npm:usb (version 3, the native addon of nusb).
 *
 * The addon is loaded on first use: it needs `--allow-ffi` and some `--allow-env`, which nothing else
 * does. Listing does not open devices; opening reads the configurations and claims one interface. A kernel
 * driver is never detached: on Linux that would also take the interface away from another program.
 */
import { FastboopError } from "../errors/errors.ts";
import type {
  TransferOptions,
  UsbBus,
  UsbDevice,
  UsbEndpoint,
  UsbInfo,
  UsbInterface,
  UsbLink,
} from "./link.ts";
import { nodeUsbFault } from "./node_usb_fault.ts";
import { NodeUsbLink } from "./node_usb_link.ts";
import { underDeadline } from "./deadline.ts";
import type { WebUsb, WebUsbAlternate, WebUsbConfiguration, WebUsbDevice } from "./web_usb.ts";

const LIST_TIMEOUT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;

/** Loads the addon. @throws {FastboopError} `permission` (Deno refuses), `unsupported` (no addon here). */
export async function openNodeUsb(): Promise<UsbBus> {
  const action = "Load the USB library";
  try {
    const { usb } = await import("usb");
    // The package's types lean on the browser's WebUSB types, which are not there.
    return new NodeUsbBus(usb as unknown as WebUsb);
  } catch (error) {
    const state = error instanceof Error ? error.message.split("\n")[0]! : String(error);
    // The package's loader hides what Deno said behind its own guess.
    const isRefused = (await Deno.permissions.query({ name: "ffi" })).state !== "granted";
    if (isRefused || error instanceof Deno.errors.NotCapable) {
      const hint = "Run with --allow-ffi --allow-env --allow-read, or use --usb usbip://HOST.";
      const refused = isRefused ? "Deno was started without the right to load native code" : state;
      throw new FastboopError({ kind: "permission", action, state: refused, hint, cause: error });
    }
    const hint = "Set TMPDIR to a directory that allows programs, or use --usb usbip://HOST.";
    throw new FastboopError({ kind: "unsupported", action, state, hint, cause: error });
  }
}

/** A USB library as a bus. */
export class NodeUsbBus implements UsbBus {
  readonly #usb: WebUsb;
  readonly #links = new Set<UsbLink>();

  constructor(usb: WebUsb) {
    this.#usb = usb;
  }

  /** @throws {FastboopError} `unsupported` (no USB here), `permission`, `lost`, `cancelled`. */
  async list(options?: TransferOptions): Promise<UsbDevice[]> {
    const action = "List USB devices";
    try {
      const devices = await within(action, LIST_TIMEOUT_MS, options, () => this.#usb.getDevices());
      return devices.map((device) => this.#device(device));
    } catch (error) {
      throw nodeUsbFault(action, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#links].map((link) => link[Symbol.asyncDispose]()));
  }

  #device(device: WebUsbDevice): UsbDevice {
    const { vendorId, productId } = device;
    const info = { vendorId, productId, path: pathOf(device) };
    return { info, open: (match, options) => this.#open(device, info, match, options) };
  }

  async #open(
    device: WebUsbDevice,
    info: UsbInfo,
    match: (candidate: UsbInterface) => boolean,
    options: TransferOptions | undefined,
  ): Promise<UsbLink | undefined> {
    const action = `Open USB device ${info.path}`;
    try {
      return await within(action, OPEN_TIMEOUT_MS, options, async (signal) => {
        try {
          await device.open();
          return await this.#claim(device, info, match, signal);
        } catch (error) {
          await device.close().catch(() => {}); // half open or not: it is not ours
          throw error;
        }
      });
    } catch (error) {
      throw nodeUsbFault(action, error, info);
    }
  }

  /** A native call cannot be taken back: one that ends after `signal` fired must not leave a link. */
  async #claim(
    device: WebUsbDevice,
    info: UsbInfo,
    match: (candidate: UsbInterface) => boolean,
    signal: AbortSignal,
  ): Promise<UsbLink | undefined> {
    signal.throwIfAborted();
    for (const configuration of device.configurations) {
      const claimed = interfacesOf(configuration).find(match);
      if (claimed === undefined) continue;
      // Setting the configuration that is active already would reset the device's interfaces.
      if (activeConfiguration(device) !== configuration.configurationValue) {
        await device.selectConfiguration(configuration.configurationValue);
      }
      await device.claimInterface(claimed.number);
      if (claimed.alternate !== 0) {
        await device.selectAlternateInterface(claimed.number, claimed.alternate);
      }
      signal.throwIfAborted();
      const serial = serialOf(device);
      const link = new NodeUsbLink(device, { ...info, ...serial }, claimed);
      this.#links.add(link);
      void link.closed.then(() => this.#links.delete(link));
      return link;
    }
    await device.close();
    return undefined;
  }
}

/** `1-2.3` as the kernel names ports; what the platform offers elsewhere. */
function pathOf(device: WebUsbDevice): string {
  const bus = /^[0-9]+$/.test(device.bus) ? String(Number(device.bus)) : device.bus;
  return device.ports.length > 0 ? `${bus}-${device.ports.join(".")}` : `${bus}:${device.address}`;
}

function interfacesOf(configuration: WebUsbConfiguration): UsbInterface[] {
  return configuration.interfaces.flatMap(({ interfaceNumber, alternates }) =>
    alternates.map((alternate) => interfaceOf(interfaceNumber, alternate))
  );
}

function interfaceOf(number: number, alternate: WebUsbAlternate): UsbInterface {
  return {
    number,
    alternate: alternate.alternateSetting,
    classCode: alternate.interfaceClass,
    subclassCode: alternate.interfaceSubclass,
    protocolCode: alternate.interfaceProtocol,
    endpoints: alternate.endpoints.map((endpoint) => {
      const direction = endpoint.direction === "in" ? "in" : "out";
      return {
        address: (endpoint.endpointNumber & 0x0f) | (direction === "in" ? 0x80 : 0),
        type: endpoint.type as UsbEndpoint["type"],
        direction,
        maxPacketBytes: endpoint.packetSize,
      };
    }),
  };
}

/** Undefined for a device without configuration: the library throws then. */
function activeConfiguration(device: WebUsbDevice): number | undefined {
  try {
    return device.configuration?.configurationValue;
  } catch {
    return undefined;
  }
}

/** A serial number that cannot be read is none. */
function serialOf(device: WebUsbDevice): { serial?: string } {
  try {
    const serial = device.serialNumber?.trim();
    return serial ? { serial } : {};
  } catch {
    return {};
  }
}

async function within<T>(
  action: string,
  timeoutMs: number,
  options: TransferOptions | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limitMs = options?.timeoutMs ?? timeoutMs;
  const expired = () =>
    new FastboopError({ kind: "lost", action, state: `not done within ${limitMs} ms` });
  const limits = { action, timeoutMs: limitMs, expired, signal: options?.signal };
  return await underDeadline(limits, (signal) => {
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    return Promise.race([work(signal), stopped]);
  });
}
