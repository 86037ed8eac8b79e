/**
 * The part of npm:usb (version 3) that is used, as types: WebUSB's shape with a timeout argument more.
 * Declared here so that tests can put a made-up USB in its place, and so that loading stays lazy.
 */

export interface WebUsbEndpoint {
  /** Without the direction bit. */
  readonly endpointNumber: number;
  readonly direction: string;
  readonly type: string;
  readonly packetSize: number;
}

export interface WebUsbAlternate {
  readonly alternateSetting: number;
  readonly interfaceClass: number;
  readonly interfaceSubclass: number;
  readonly interfaceProtocol: number;
  readonly endpoints: readonly WebUsbEndpoint[];
}

export interface WebUsbInterface {
  readonly interfaceNumber: number;
  readonly alternates: readonly WebUsbAlternate[];
}

export interface WebUsbConfiguration {
  readonly configurationValue: number;
  readonly interfaces: readonly WebUsbInterface[];
}

export interface WebUsbSetup {
  requestType: "standard" | "class" | "vendor";
  recipient: "device" | "interface" | "endpoint" | "other";
  request: number;
  value: number;
  index: number;
}

export interface WebUsbDevice {
  readonly vendorId: number;
  readonly productId: number;
  /** Bus number, in Linux three digits; another platform's bus id elsewhere. */
  readonly bus: string;
  readonly address: number;
  readonly ports: readonly number[];
  /** These three may throw: they can ask the device. */
  readonly serialNumber?: string | null | undefined;
  readonly configuration?: WebUsbConfiguration | null | undefined;
  readonly configurations: readonly WebUsbConfiguration[];
  open(): Promise<void>;
  close(): Promise<void>;
  selectConfiguration(value: number): Promise<void>;
  claimInterface(number: number): Promise<void>;
  selectAlternateInterface(number: number, alternate: number): Promise<void>;
  controlTransferIn(
    setup: WebUsbSetup,
    length: number,
    timeoutMs?: number,
  ): Promise<{ data?: DataView | undefined }>;
  controlTransferOut(
    setup: WebUsbSetup,
    data: Uint8Array<ArrayBuffer>,
    timeoutMs?: number,
  ): Promise<{ bytesWritten: number }>;
  transferIn(
    endpointNumber: number,
    length: number,
    timeoutMs?: number,
  ): Promise<{ data?: DataView | undefined }>;
  transferOut(
    endpointNumber: number,
    data: Uint8Array<ArrayBuffer>,
    timeoutMs?: number,
  ): Promise<{ bytesWritten: number }>;
}

export interface WebUsb {
  getDevices(): Promise<readonly WebUsbDevice[]>;
}
