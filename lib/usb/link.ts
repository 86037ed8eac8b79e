/**
 * The USB contract: where phones are looked for, and one claimed interface, whatever carries it.
 *
 * Terms are the USB specification's: a bus lists devices, a device has interfaces with a class triple
 * and endpoints. Endpoint addresses carry the direction bit (0x80 = IN) as in the descriptors.
 */

/** The 8 setup bytes of a control transfer, wLength excepted (the call's data says it). */
export interface Setup {
  requestType: number;
  request: number;
  value: number;
  index: number;
}

export interface TransferOptions {
  /** Stops the transfer; it rejects with `cancelled`. A data transfer that was stopped ends the link. */
  signal?: AbortSignal | undefined;
  /** Deadline of this transfer; expiry rejects with `lost`. Absent: none. */
  timeoutMs?: number | undefined;
}

/** Options of a transfer from the device. */
export interface TransferInOptions extends TransferOptions {
  /**
   * Where the link may put the data, at least `lengthBytes` long: saves an allocation per transfer.
   * A link may ignore it; the array that the call returns is the one to read.
   */
  into?: Uint8Array<ArrayBuffer> | undefined;
}

export interface UsbEndpoint {
  /** bEndpointAddress, direction bit included. */
  readonly address: number;
  readonly type: "bulk" | "interrupt" | "isochronous" | "control";
  readonly direction: "in" | "out";
  readonly maxPacketBytes: number;
}

export interface UsbInterface {
  readonly number: number;
  readonly alternate: number;
  readonly classCode: number;
  readonly subclassCode: number;
  readonly protocolCode: number;
  readonly endpoints: readonly UsbEndpoint[];
}

export interface UsbInfo {
  readonly vendorId: number;
  readonly productId: number;
  /** iSerialNumber, trimmed; absent when the device has none or has not been opened yet. */
  readonly serial?: string;
  /** Where it is plugged in: `1-2.3`, or `usbip://host:port/1-1`. */
  readonly path: string;
}

/**
 * One claimed USB interface. Several transfers may be in flight, on one endpoint too: they complete
 * in the order they were made. A failed bulk or interrupt transfer ends the link for good (`closed`
 * settles); the caller finds the device again through its bus. A control transfer that stalls, is
 * stopped or passes its deadline leaves the link up: heartbeats may be missed.
 *
 * Errors: `lost` when the device is gone or a deadline passed, `refused` for a stall, `cancelled`.
 */
export interface UsbLink extends AsyncDisposable {
  readonly info: UsbInfo;
  readonly claimed: UsbInterface;
  /** Settles when the device has gone or the link failed; never rejects. */
  readonly closed: Promise<void>;
  controlIn(setup: Setup, lengthBytes: number, options?: TransferOptions): Promise<Uint8Array>;
  controlOut(setup: Setup, data: Uint8Array, options?: TransferOptions): Promise<void>;
  /** Up to `lengthBytes`; shorter when the device ends the transfer with a short packet. */
  transferIn(endpoint: number, lengthBytes: number, o?: TransferInOptions): Promise<Uint8Array>;
  /** All of `data`, no zero-length packet added. */
  transferOut(endpoint: number, data: Uint8Array, options?: TransferOptions): Promise<void>;
}

/** A device that can be seen; opening it is what tells its interfaces and serial for certain. */
export interface UsbDevice {
  readonly info: UsbInfo;
  /** Its interfaces, when the bus knows them without opening the device. */
  readonly interfaces?: readonly UsbInterface[] | undefined;
  /**
   * Opens the device and claims the first interface that `match` accepts.
   *
   * @returns undefined when no interface matches (the device is closed again).
   * @throws {FastboopError} `permission`, `device` (busy), `lost`.
   */
  open(
    match: (candidate: UsbInterface) => boolean,
    options?: TransferOptions,
  ): Promise<UsbLink | undefined>;
}

/** Where phones are looked for: this machine's ports, or a USB/IP server. */
export interface UsbBus extends AsyncDisposable {
  /** Devices visible now. A server that is not there yet answers an empty list, not an error. */
  list(options?: TransferOptions): Promise<UsbDevice[]>;
  /** Why the last list was empty, for people: `connection refused`; absent when all was well. */
  readonly emptyBecause?: string | undefined;
}
