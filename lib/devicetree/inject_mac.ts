/**
 * Addresses for radios that have none of their own: made of the phone's serial number, so that a phone
 * keeps its address from boot to boot and no two phones share one.
 */
import { FastboopError } from "../errors/errors.ts";
import { type EditableFdt, type EditableNode, walkNodes } from "./edit_fdt.ts";

export type Radio = "wifi" | "bluetooth";

const PROPERTY = { wifi: "local-mac-address", bluetooth: "local-bd-address" } as const;

/**
 * Writes the address into the first node that is `compatible`; the tree is changed.
 *
 * Shape: FNV-1a of 64 bits over serial, radio and compatible; its six low bytes, lowest first, made a locally
 * administered unicast address. Bluetooth stores it lowest byte first (bindings/net/bluetooth.txt).
 *
 * @throws {FastboopError} `not-found` when no node is compatible.
 */
export function injectMac(
  { root }: EditableFdt,
  radio: Radio,
  compatible: string,
  serial: string,
): void {
  const node = compatibleNode(root, compatible);
  if (node === undefined) {
    throw new FastboopError({
      kind: "not-found",
      action: `Give the phone's ${radio} an address`,
      state: `no node of the device tree is compatible with "${compatible}"`,
      hint: "Correct inject_mac of the boot profile",
    });
  }
  const address = macAddress(radio, compatible, serial);
  node.properties.set(PROPERTY[radio], radio === "wifi" ? address : address.reverse());
}

/** Six bytes, as they are written with colons. */
export function macAddress(radio: Radio, compatible: string, serial: string): Uint8Array {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(`${serial}${radio}${compatible}`)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  const address = Uint8Array.from({ length: 6 }, (_, i) => Number(hash >> BigInt(8 * i) & 0xffn));
  address[0] = address[0]! & 0xfe | 0x02;
  return address;
}

function compatibleNode(root: EditableNode, compatible: string): EditableNode | undefined {
  const wanted = `\0${compatible}\0`;
  for (const [node] of walkNodes(root)) {
    const value = node.properties.get("compatible") ?? [];
    const text = Array.from(value, (byte) => String.fromCharCode(byte)).join("");
    if (`\0${text}\0`.includes(wanted)) return node;
  }
  return undefined;
}
