/** The test phone behind a USB/IP server: the host's every byte crosses a socket and its real driver. */
import {
  MemoryCable,
  PAYLOAD_IN,
  PAYLOAD_OUT,
  REQUEST_IN,
  RESPONSE_OUT,
} from "../support/memory_link.ts";
import type { SmooPhone } from "../support/smoo_phone.ts";
import { buildDescriptors, smooShape } from "../support/usb_descriptors.ts";
import type { Outcome, ScriptedDevice } from "../support/usbip_server.ts";

const STALL = -32;
const SHUTDOWN = -108;
/** Endpoint numbers of `smooShape`. */
const OUT_PIPES = new Map([[2, PAYLOAD_OUT], [7, RESPONSE_OUT]]);
const IN_PIPES = new Map([[1, PAYLOAD_IN], [5, REQUEST_IN]]);

/** A device that is `phone`; every IDENT is a new host on a new cable. */
export function usbIpPhone(phone: SmooPhone): ScriptedDevice {
  let cable = new MemoryCable();
  const failed = (): Outcome => SHUTDOWN;
  return {
    busId: "1-1",
    busNumber: 1,
    deviceNumber: 2,
    speed: 3,
    descriptors: buildDescriptors(smooShape("phone", [0xff, 0x53, 0x4d])),
    control: (view, data) => {
      const setup = {
        requestType: view.getUint8(0),
        request: view.getUint8(1),
        value: view.getUint16(2, true),
        index: view.getUint16(4, true),
      };
      if (setup.request === 1) {
        cable.unplug();
        cable = new MemoryCable();
        phone.attach(cable.port);
      }
      const isIn = (setup.requestType & 0x80) !== 0;
      const lengthBytes = view.getUint16(6, true);
      const reply = isIn
        ? cable.link.controlIn(setup, lengthBytes)
        : cable.link.controlOut(setup, data).then(() => 0);
      return reply.catch(() => STALL);
    },
    transferOut: (endpoint, data) =>
      cable.link.transferOut(OUT_PIPES.get(endpoint)!, data).then(() => 0, failed),
    transferIn: (endpoint, lengthBytes) =>
      cable.link.transferIn(IN_PIPES.get(endpoint)!, lengthBytes).catch(failed),
  };
}
