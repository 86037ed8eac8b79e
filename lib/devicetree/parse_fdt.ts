/**
 * A flattened device tree -> its nodes.
 *
 *   0 magic d00dfeed   4 totalsize         8 off_dt_struct     12 off_dt_strings   16 off_mem_rsvmap
 *  20 version          24 last_comp_version 28 boot_cpuid_phys 32 size_dt_strings  36 size_dt_struct (17)
 *
 * All integers are big-endian. The structure block is a run of 4-aligned tokens: 1 begin node + name,
 * 2 end node, 3 property + length + name's offset + value, 4 nothing, 9 end. Source: Devicetree
 * Specification 0.4, chapter 5. Versions 16 and up are read; version 16 does not say how long its
 * structure block is, so the blob's own end bounds it.
 */
import { FastboopError } from "../errors/errors.ts";
import type { Fdt, FdtNode, FdtReservation } from "./fdt.ts";

/** The most the arm64 kernel maps (Documentation/arch/arm64/booting.rst). */
export const MAX_FDT_BYTES = 2 << 20;
const MAGIC = 0xd00dfeed;
const HEADER_BYTES = 40;
/** Boards' trees are 8 deep. */
export const MAX_FDT_DEPTH = 64;
/** The largest boards have about 4 000 nodes. */
const MAX_NODES = 65_536;
const MAX_PROPERTIES = 262_144;
const MAX_NAME_BYTES = 255;
const MAX_RESERVATIONS = 1024;

const BEGIN_NODE = 1;
const END_NODE = 2;
const PROPERTY = 3;
const NOP = 4;
const END = 9;

/**
 * Reads and checks a whole flattened device tree. Bytes behind its own total size are ignored.
 *
 * @param what names the blob in errors.
 * @throws {FastboopError} `corrupt` when it breaks the format, `unsupported` for versions before 16,
 * `limit` above {@link MAX_FDT_BYTES}, 64 levels or 65,536 nodes.
 */
export function parseFdt(bytes: Uint8Array, what: string): Fdt {
  return new Parser(bytes, `Read device tree ${what}`).parse();
}

interface OpenNode {
  readonly name: string;
  readonly path: string;
  readonly parent: OpenNode | undefined;
  readonly properties: Map<string, Uint8Array>;
  readonly children: OpenNode[];
  readonly childNames: Set<string>;
}

class Parser {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #action: string;
  readonly #names = new Map<number, string>();
  readonly #nodes: OpenNode[] = [];
  #propertyCount = 0;
  #totalBytes = 0;
  #stringsAt = 0;
  #stringsEnd = 0;

  constructor(bytes: Uint8Array, action: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#action = action;
  }

  parse(): Fdt {
    const { structAt, structEnd, version } = this.#header();
    const reservations = this.#reservations();
    const root = this.#structure(structAt, structEnd);
    return {
      root: root as FdtNode,
      nodes: this.#nodes as FdtNode[],
      byPhandle: this.#phandles(),
      reservations,
      version,
      bootCpuId: this.#u32(28),
    };
  }

  #header(): { structAt: number; structEnd: number; version: number } {
    if (this.#bytes.length < HEADER_BYTES || this.#u32(0) !== MAGIC) {
      this.#fail("it is no flattened device tree");
    }
    this.#totalBytes = this.#u32(4);
    const version = this.#u32(20);
    if (this.#totalBytes > MAX_FDT_BYTES) {
      this.#fail(`it claims ${this.#totalBytes} bytes, the most is ${MAX_FDT_BYTES}`, "limit");
    }
    if (this.#totalBytes < HEADER_BYTES || this.#totalBytes > this.#bytes.length) {
      this.#fail(`it has ${this.#bytes.length} of ${this.#totalBytes} bytes`);
    }
    if (version < 16 || this.#u32(24) > 17) {
      this.#fail(`its format is version ${version}, 16 and 17 are read`, "unsupported");
    }
    const structAt = this.#u32(8);
    const structEnd = version >= 17 ? structAt + this.#u32(36) : this.#totalBytes;
    this.#stringsAt = this.#u32(12);
    this.#stringsEnd = this.#stringsAt + this.#u32(32);
    if (structAt % 4 !== 0 || structAt < HEADER_BYTES || structEnd > this.#totalBytes) {
      this.#fail(`its structure block lies at ${structAt} to ${structEnd}`);
    }
    if (this.#stringsAt < HEADER_BYTES || this.#stringsEnd > this.#totalBytes) {
      this.#fail(`its strings lie at ${this.#stringsAt} to ${this.#stringsEnd}`);
    }
    return { structAt, structEnd, version };
  }

  #reservations(): FdtReservation[] {
    const found: FdtReservation[] = [];
    let at = this.#u32(16);
    if (at % 8 !== 0 || at < HEADER_BYTES) this.#fail(`its reservation map lies at ${at}`);
    for (;; at += 16) {
      if (at + 16 > this.#totalBytes) this.#fail("its reservation map has no end");
      const address = this.#view.getBigUint64(at);
      const sizeBytes = this.#view.getBigUint64(at + 8);
      if (address === 0n && sizeBytes === 0n) return found;
      if (found.length >= MAX_RESERVATIONS) {
        this.#fail(`it reserves more than ${MAX_RESERVATIONS} ranges`, "limit");
      }
      found.push({ address, sizeBytes });
    }
  }

  #structure(start: number, end: number): OpenNode {
    let root: OpenNode | undefined;
    let open: OpenNode | undefined;
    let depth = 0;
    for (let at = start;;) {
      if (at + 4 > end) this.#fail("its structure block has no end token");
      const token = this.#u32(at);
      at += 4;
      if (token === BEGIN_NODE) {
        const nul = this.#bytes.subarray(at, Math.min(end, at + MAX_NAME_BYTES + 1)).indexOf(0);
        if (nul < 0) this.#fail(`the node name at ${at} has no end`);
        if (++depth > MAX_FDT_DEPTH) {
          this.#fail(`it is more than ${MAX_FDT_DEPTH} levels deep`, "limit");
        }
        if (open === undefined && root !== undefined) this.#fail("it has two roots");
        open = this.#openNode(latin1(this.#bytes.subarray(at, at + nul)), open);
        root ??= open;
        at = align4(at + nul + 1);
      } else if (token === END_NODE) {
        if (open === undefined) this.#fail(`a node ends at ${at - 4} that never began`);
        open = open.parent;
        depth--;
      } else if (token === PROPERTY) {
        if (open === undefined) this.#fail(`the property at ${at - 4} is outside of any node`);
        at = this.#property(open, at, end);
      } else if (token === END) {
        if (open !== undefined) this.#fail(`it ends inside of node ${open.path}`);
        return root ?? this.#fail("it has no root node");
      } else if (token !== NOP) {
        this.#fail(`token ${token} at ${at - 4} is none`);
      }
    }
  }

  #openNode(name: string, parent: OpenNode | undefined): OpenNode {
    if (this.#nodes.length >= MAX_NODES) this.#fail(`it has over ${MAX_NODES} nodes`, "limit");
    if (parent !== undefined && (name === "" || name.includes("/"))) {
      this.#fail(`a node in ${parent.path} is called "${name}"`);
    }
    const path = parent === undefined ? "/" : `${parent.parent ? parent.path : ""}/${name}`;
    if (parent?.childNames.has(name)) this.#fail(`it has two nodes ${path}`);
    parent?.childNames.add(name);
    const node: OpenNode = {
      name: parent === undefined ? "" : name,
      path,
      parent,
      properties: new Map(),
      children: [],
      childNames: new Set(),
    };
    parent?.children.push(node);
    this.#nodes.push(node);
    return node;
  }

  /** Offset behind the property. */
  #property(node: OpenNode, at: number, end: number): number {
    if (at + 8 > end) this.#fail(`the property at ${at} is cut short`);
    const lengthBytes = this.#u32(at);
    const name = this.#nameAt(this.#u32(at + 4));
    const valueAt = at + 8;
    if (valueAt + lengthBytes > end) {
      this.#fail(`"${name}" of ${node.path} has ${lengthBytes} bytes, beyond the structure block`);
    }
    if (node.children.length > 0) {
      this.#fail(`"${name}" of ${node.path} comes after a subnode`);
    }
    if (node.properties.has(name)) this.#fail(`${node.path} has "${name}" twice`);
    if (++this.#propertyCount > MAX_PROPERTIES) {
      this.#fail(`it has over ${MAX_PROPERTIES} properties`, "limit");
    }
    node.properties.set(name, this.#bytes.subarray(valueAt, valueAt + lengthBytes));
    return align4(valueAt + lengthBytes);
  }

  #nameAt(offset: number): string {
    const known = this.#names.get(offset);
    if (known !== undefined) return known;
    const at = this.#stringsAt + offset;
    const end = Math.min(this.#stringsEnd, at + MAX_NAME_BYTES + 1);
    const nul = at < end ? this.#bytes.subarray(at, end).indexOf(0) : -1;
    if (nul <= 0) this.#fail(`no property name lies at ${offset} of its strings`);
    const name = latin1(this.#bytes.subarray(at, at + nul));
    this.#names.set(offset, name);
    return name;
  }

  #phandles(): Map<number, FdtNode> {
    const found = new Map<number, FdtNode>();
    for (const node of this.#nodes) {
      const value = node.properties.get("phandle") ?? node.properties.get("linux,phandle");
      if (value === undefined) continue;
      const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
      const phandle = value.length === 4 ? view.getUint32(0) : 0;
      if (phandle === 0 || phandle === 0xffffffff) {
        this.#fail(`the phandle of ${node.path} is none`);
      }
      const other = found.get(phandle);
      if (other) this.#fail(`${other.path} and ${node.path} have the same phandle ${phandle}`);
      found.set(phandle, node as FdtNode);
    }
    return found;
  }

  #u32(offsetBytes: number): number {
    return this.#view.getUint32(offsetBytes);
  }

  #fail(state: string, kind: "corrupt" | "unsupported" | "limit" = "corrupt"): never {
    throw new FastboopError({
      kind,
      action: this.#action,
      state,
      hint: kind === "corrupt" ? "Build it again: `make dtbs`" : "Give a blob dtc has written",
    });
  }
}

function align4(offset: number): number {
  return (offset + 3) & ~3;
}

/** Names are ASCII by the specification; whatever else is there keeps its bytes apart. */
function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
