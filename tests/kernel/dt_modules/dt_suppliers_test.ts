import assert from "node:assert/strict";
import type { Fdt, FdtNode } from "../../../lib/devicetree/fdt.ts";
import { dtSuppliers } from "../../../lib/kernel/dt_modules/dt_suppliers.ts";

Deno.test("dtSuppliers() looks at a supplier once, however often a node names it", () => {
  const clocks = (phandle: number): [string, Uint8Array] => {
    const cells = new Uint8Array(4 * 200_000);
    for (let at = 3; at < cells.length; at += 4) cells[at] = phandle;
    return ["clocks", cells];
  };
  const node = (name: string, phandle: number): FdtNode => ({
    name,
    path: `/${name}`,
    parent: undefined,
    children: [],
    properties: new Map([["#clock-cells", new Uint8Array(4)], clocks(phandle)]),
  });
  const [one, two, three] = [node("one", 2), node("two", 3), node("three", 3)];
  const byPhandle = new Map([[1, one], [2, two], [3, three]]);
  const fdt: Fdt = {
    root: one,
    nodes: [one, two, three],
    byPhandle,
    reservations: [],
    version: 17,
    bootCpuId: 0,
  };
  assert.deepEqual(dtSuppliers(fdt, one), [{ node: two, property: "clocks" }]);
  // A clock that feeds its own node is none.
  assert.deepEqual(dtSuppliers(fdt, three), []);
});
