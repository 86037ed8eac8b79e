import assert from "node:assert/strict";
import { formatUsbIpAddress, parseUsbIpAddress } from "../../../lib/usb/usbip/address.ts";
import { ofKind } from "../../support/expect_kind.ts";

Deno.test("parseUsbIpAddress() reads host, port and bus id, and formats them back", () => {
  const cases: [string, string, number, string | undefined, string][] = [
    ["usbip://box", "box", 3240, undefined, "usbip://box:3240"],
    ["usbip://127.0.0.1:1/", "127.0.0.1", 1, undefined, "usbip://127.0.0.1:1"],
    ["usbip://h:65535/1-2.3", "h", 65535, "1-2.3", "usbip://h:65535/1-2.3"],
    ["usbip://[::1]:99/usbip-vudc.0", "::1", 99, "usbip-vudc.0", "usbip://[::1]:99/usbip-vudc.0"],
    ["usbip://[fe80::1]", "fe80::1", 3240, undefined, "usbip://[fe80::1]:3240"],
  ];
  for (const [text, hostname, port, busId, normal] of cases) {
    const address = parseUsbIpAddress(text);
    assert.deepEqual(
      [address.hostname, address.port, address.busId],
      [hostname, port, busId],
      text,
    );
    assert.equal(formatUsbIpAddress(address), normal);
    assert.deepEqual(parseUsbIpAddress(normal), address);
  }
});

Deno.test("parseUsbIpAddress() refuses what is no address, with `usage`", () => {
  const bad = [
    "",
    "usbip:",
    "usbip://",
    "usbip:///1-1",
    "usb://h",
    "usbip://h:0",
    "usbip://h:65536",
    "usbip://h:x",
    "usbip://h:",
    "usbip://::1/1-1",
    "usbip://[::1",
    "usbip://a b",
    "usbip://u@h",
    "usbip://h/1-1/2",
    "usbip://h/../etc",
    "usbip://h/1-1\n",
    `usbip://h/${"1".repeat(32)}`,
    "usbip://h?x",
    "usbip://[g::1]/1-1",
  ];
  for (const text of bad) {
    assert.throws(() => parseUsbIpAddress(text), ofKind("usage", /usbip:\/\/127/), text);
  }
  assert.equal(parseUsbIpAddress(`usbip://h/${"1".repeat(31)}`).busId?.length, 31);
});
