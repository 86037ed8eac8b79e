import assert from "node:assert/strict";
import { editFdt, nodeAt } from "../../lib/devicetree/edit_fdt.ts";
import { injectMac, macAddress } from "../../lib/devicetree/inject_mac.ts";
import { parseFdt } from "../../lib/devicetree/parse_fdt.ts";
import { ofKind } from "../support/expect_kind.ts";
import { fdtBlob } from "./fdt_blob.ts";

const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(":");
const text = (value: string) => new TextEncoder().encode(value);

function board() {
  return editFdt(parseFdt(
    fdtBlob([
      ["{", ""],
      ["{", "wifi"],
      ["=", "compatible", text("other\0qcom,wcn3990-wifi\0")],
      ["}"],
      ["{", "bt"],
      ["=", "compatible", text("qcom,wcn3990-bt\0")],
      ["}"],
      ["}"],
      ["end"],
    ]),
    "x",
  ));
}

Deno.test("macAddress() is the one upstream makes of the same serial number", () => {
  assert.equal(hex(macAddress("wifi", "qcom,wcn3990-wifi", "serial-1")), "96:33:b9:9a:1d:5d");
  assert.equal(hex(macAddress("wifi", "qcom,wcn3990-wifi", "0")), "4e:50:8b:04:a9:4b");
});

Deno.test("injectMac() writes into the compatible node, Bluetooth lowest byte first", () => {
  const fdt = board();
  injectMac(fdt, "wifi", "qcom,wcn3990-wifi", "serial-1");
  injectMac(fdt, "bluetooth", "qcom,wcn3990-bt", "serial-1");
  const wifi = nodeAt(fdt.root, "/wifi")!.properties.get("local-mac-address")!;
  assert.equal(hex(wifi), "96:33:b9:9a:1d:5d");
  const bluetooth = nodeAt(fdt.root, "/bt")!.properties.get("local-bd-address")!;
  assert.equal(hex(bluetooth), "1d:1f:3f:b2:8b:aa");
});

Deno.test("injectMac() names what no node is compatible with", () => {
  // A part of a compatible string is not that string.
  assert.throws(() => injectMac(board(), "wifi", "wcn3990-wifi", "1"), ofKind("not-found"));
});
