/**
 * From an imported device to a claimed interface: what a host's USB core does after plugging in, minus
 * SET_ADDRESS, which the server has done and would refuse.
 */
import {
  CONFIGURATION_HEAD_BYTES,
  type ConfigurationDescriptor,
  DEVICE_DESCRIPTOR_BYTES,
  type DeviceDescriptor,
  type InterfaceDescriptor,
  parseConfiguration,
  parseConfigurationSize,
  parseDeviceDescriptor,
  parseLanguage,
  parseString,
  TYPE_CONFIGURATION,
  TYPE_DEVICE,
  TYPE_STRING,
} from "../descriptors.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { TransferOptions, UsbInterface } from "../link.ts";
import { controlIn, controlOut } from "./control.ts";
import type { UrbChannel } from "./urb_channel.ts";

/** bRequest and bmRequestType of the standard requests (USB 2.0 table 9-4). */
const GET_DESCRIPTOR = 6;
const SET_CONFIGURATION = 9;
const SET_INTERFACE = 11;
const DEVICE_IN = 0x80;
const DEVICE_OUT = 0x00;
const INTERFACE_OUT = 0x01;

/** Each of these small requests must be answered within this time. */
const REQUEST_TIMEOUT_MS = 5000;
/** Devices have one or two configurations; a device that claims more is read up to here. */
const MAX_CONFIGURATIONS = 8;
const MAX_STRING_BYTES = 255;

/** A configured device with the interface that was wanted. */
export interface Claim {
  device: DeviceDescriptor;
  claimed: InterfaceDescriptor;
  serial: string | undefined;
}

/**
 * Reads the descriptors, configures the device and selects the first alternate setting, over all
 * configurations, that `match` accepts.
 *
 * @returns undefined when none matches; the device is left as it was.
 * @throws {FastboopError} `corrupt`, `limit` (descriptors), `lost`, `refused`, `cancelled`.
 */
export async function claimInterface(
  channel: UrbChannel,
  match: (candidate: UsbInterface) => boolean,
  signal: AbortSignal,
): Promise<Claim | undefined> {
  const options = { signal, timeoutMs: REQUEST_TIMEOUT_MS };
  const device = parseDeviceDescriptor(
    await readDescriptor(channel, TYPE_DEVICE, 0, 0, DEVICE_DESCRIPTOR_BYTES, options),
  );
  const count = Math.min(device.configurationCount, MAX_CONFIGURATIONS);
  for (let index = 0; index < count; index++) {
    const configuration = await readConfiguration(channel, index, options);
    const claimed = configuration.interfaces.find(match);
    if (claimed === undefined) continue;
    await send(channel, DEVICE_OUT, SET_CONFIGURATION, configuration.value, 0, options);
    if (claimed.alternate !== 0) {
      const { alternate, number } = claimed;
      await send(channel, INTERFACE_OUT, SET_INTERFACE, alternate, number, options);
    }
    return { device, claimed, serial: await readSerial(channel, device.serialIndex, options) };
  }
  return undefined;
}

async function readConfiguration(
  channel: UrbChannel,
  index: number,
  options: TransferOptions,
): Promise<ConfigurationDescriptor> {
  const read = (sizeBytes: number) =>
    readDescriptor(channel, TYPE_CONFIGURATION, index, 0, sizeBytes, options);
  const sizeBytes = parseConfigurationSize(await read(CONFIGURATION_HEAD_BYTES));
  return parseConfiguration(await read(sizeBytes));
}

async function readSerial(
  channel: UrbChannel,
  index: number,
  options: TransferOptions,
): Promise<string | undefined> {
  if (index === 0) return undefined;
  const read = (at: number, language: number) =>
    readDescriptor(channel, TYPE_STRING, at, language, MAX_STRING_BYTES, options);
  try {
    return parseString(await read(index, parseLanguage(await read(0, 0))));
  } catch (error) {
    // Some bootloaders name a string they do not have; the phone works without.
    if (error instanceof FastboopError && error.kind === "refused") return undefined;
    throw error;
  }
}

function readDescriptor(
  channel: UrbChannel,
  type: number,
  index: number,
  language: number,
  sizeBytes: number,
  options: TransferOptions,
): Promise<Uint8Array> {
  const setup = {
    requestType: DEVICE_IN,
    request: GET_DESCRIPTOR,
    value: (type << 8) | index,
    index: language,
  };
  return controlIn(channel, setup, sizeBytes, options);
}

async function send(
  channel: UrbChannel,
  requestType: number,
  request: number,
  value: number,
  index: number,
  options: TransferOptions,
): Promise<void> {
  await controlOut(channel, { requestType, request, value, index }, new Uint8Array(0), options);
}
