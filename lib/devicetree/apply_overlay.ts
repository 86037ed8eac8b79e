/**
 * A device tree and an overlay -> one device tree.
 *
 * ```text
 * fragment@N { target = <phandle>; | target-path = "/path"; __overlay__ { ... } }
 * __fixups__ { label = "/fragment@0:target:0", ... }     where the base's phandle of a label goes
 * __local_fixups__ { fragment@0 { __overlay__ { prop = <0 8>; } } }   where the overlay's own phandles stand
 * __symbols__ { label = "/fragment@0/__overlay__/node" }  labels the overlay brings
 * ```
 *
 * Phandles of the overlay are moved above the base's; where both give the same node one, the base's stays and
 * the overlay's references follow it. Nothing is deleted: overlays cannot. The base is not changed, so an
 * error leaves nothing half done. Source: dtc's Documentation/dt-object-internal.txt, what fdtoverlay does.
 */
import { FastboopError } from "../errors/errors.ts";
import { type EditableFdt, type EditableNode, editFdt, nodeAt, walkNodes } from "./edit_fdt.ts";
import type { Fdt } from "./fdt.ts";
import { MAX_FDT_DEPTH } from "./parse_fdt.ts";

const PHANDLE_NAMES = ["phandle", "linux,phandle"];
const OVERLAY = "__overlay__";
/** Nodes of an overlay that say how to apply it and are no part of the tree. */
const FIXUPS = "__fixups__";
const LOCAL_FIXUPS = "__local_fixups__";
const SYMBOLS = "__symbols__";

/**
 * Applies one overlay.
 *
 * @param what names the overlay in errors.
 * @throws {FastboopError} `corrupt` for an overlay that contradicts itself, `not-found` for a label or path the
 * base has not, `limit` when no phandles are left or the tree becomes too deep.
 */
export function applyOverlay(base: EditableFdt, overlay: Fdt, what: string): EditableFdt {
  return new Overlay(base, overlay, `Apply device tree overlay ${what}`).apply();
}

class Overlay {
  readonly #base: EditableFdt;
  readonly #root: EditableNode;
  readonly #overlay: EditableNode;
  readonly #action: string;
  /** References inside the overlay: the property's bytes and where in them. */
  readonly #references: { bytes: Uint8Array; offsetBytes: number }[] = [];
  /** Of the result so far: a fragment may go into what an earlier one brought. */
  readonly #byPhandle = new Map<number, EditableNode>();
  readonly #placeOf = new Map<EditableNode, { path: string; depth: number }>();

  constructor(base: EditableFdt, overlay: Fdt, action: string) {
    this.#base = base;
    this.#root = copyOf(base.root);
    this.#overlay = editFdt(overlay).root;
    this.#action = action;
  }

  apply(): EditableFdt {
    this.#movePhandles();
    this.#resolveLabels();
    this.#register(this.#root, "/", 1);
    const targetPaths = new Map<string, string>();
    for (const [name, fragment] of this.#overlay.children) {
      const content = fragment.children.get(OVERLAY);
      if (content === undefined) continue;
      const target = this.#target(name, fragment);
      this.#keepPhandles(target, content);
      this.#merge(target, content);
      targetPaths.set(name, this.#placeOf.get(target)!.path);
    }
    this.#addSymbols(targetPaths);
    return { ...this.#base, root: this.#root };
  }

  /** Adds the base's largest phandle to every phandle of the overlay and every reference to one. */
  #movePhandles(): void {
    let most = 0;
    for (const [node] of walkNodes(this.#root)) most = Math.max(most, phandleOf(node) ?? 0);
    for (const [node, path] of walkNodes(this.#overlay)) {
      for (const name of PHANDLE_NAMES) {
        const bytes = node.properties.get(name);
        if (bytes !== undefined) this.#add(bytes, 0, most, `${name} of ${path}`);
      }
    }
    const fixups = this.#overlay.children.get(LOCAL_FIXUPS);
    if (fixups !== undefined) this.#moveReferences(fixups, this.#overlay, "", most);
  }

  #moveReferences(fixup: EditableNode, node: EditableNode, path: string, delta: number): void {
    for (const [name, offsets] of fixup.properties) {
      const bytes = node.properties.get(name);
      if (bytes === undefined) throw this.#corrupt(`a local fixup names ${path}:${name}`);
      if (offsets.length % 4 !== 0) {
        throw this.#corrupt(`the local fixup of ${path}:${name} is cut`);
      }
      for (let at = 0; at < offsets.length; at += 4) {
        const offsetBytes = viewOf(offsets).getUint32(at);
        this.#add(bytes, offsetBytes, delta, `${path}:${name}`);
        this.#references.push({ bytes, offsetBytes });
      }
    }
    for (const [name, child] of fixup.children) {
      const target = node.children.get(name);
      if (target === undefined) throw this.#corrupt(`a local fixup names ${path}/${name}`);
      this.#moveReferences(child, target, `${path}/${name}`, delta);
    }
  }

  #add(bytes: Uint8Array, offsetBytes: number, delta: number, where: string): void {
    if (offsetBytes + 4 > bytes.length) throw this.#corrupt(`no phandle lies at ${where}`);
    const value = viewOf(bytes).getUint32(offsetBytes) + delta;
    if (value >= 0xffffffff) {
      const state = `no phandle is left for ${where}`;
      throw new FastboopError({ kind: "limit", action: this.#action, state });
    }
    viewOf(bytes).setUint32(offsetBytes, value);
  }

  /** Writes the base's phandles where the overlay names its labels. */
  #resolveLabels(): void {
    const fixups = this.#overlay.children.get(FIXUPS);
    for (const [label, places] of fixups?.properties ?? []) {
      if (places.at(-1) !== 0) throw this.#corrupt(`the fixups of label ${label} have no end`);
      const phandle = this.#phandleOfLabel(label);
      for (const place of texts(places)) {
        const [path, name, offset, ...rest] = place.split(":");
        const bytes = nodeAt(this.#overlay, path!)?.properties.get(name ?? "");
        const offsetBytes = Number(offset);
        const fits = /^\d{1,7}$/.test(offset ?? "") && rest.length === 0 &&
          bytes !== undefined && offsetBytes + 4 <= bytes.length;
        if (!fits) throw this.#corrupt(`the fixup "${place}" of label ${label} names nothing`);
        viewOf(bytes).setUint32(offsetBytes, phandle);
      }
    }
  }

  #phandleOfLabel(label: string): number {
    const symbols = this.#root.children.get(SYMBOLS);
    if (symbols === undefined) {
      throw this.#missing(
        `it needs label ${label}, and the device tree has no ${SYMBOLS}`,
        "Build the device tree with labels: DTC_FLAGS=-@ make dtbs",
      );
    }
    const [path] = texts(symbols.properties.get(label) ?? new Uint8Array());
    const node = path === undefined ? undefined : nodeAt(this.#root, path);
    const phandle = node && phandleOf(node);
    if (phandle !== undefined) return phandle;
    throw this.#missing(
      `the device tree has no node with label ${label}`,
      "Take the overlay that belongs to this device tree",
    );
  }

  /** Paths share what is above them until one is written out: long names make gigabytes of them. */
  #register(node: EditableNode, path: string, depth: number): void {
    // Overlays into overlays would nest without end.
    if (depth > MAX_FDT_DEPTH) {
      const state = `the device tree would be more than ${MAX_FDT_DEPTH} levels deep`;
      throw new FastboopError({ kind: "limit", action: this.#action, state });
    }
    this.#placeOf.set(node, { path, depth });
    const phandle = phandleOf(node);
    if (phandle !== undefined) this.#byPhandle.set(phandle, node);
    const prefix = depth === 1 ? "" : path;
    for (const child of node.children.values()) {
      this.#register(child, `${prefix}/${child.name}`, depth + 1);
    }
  }

  #target(name: string, { properties }: EditableNode): EditableNode {
    const phandle = properties.get("target");
    if (phandle !== undefined) {
      if (phandle.length !== 4) throw this.#corrupt(`the target of ${name} is no phandle`);
      const node = this.#byPhandle.get(viewOf(phandle).getUint32(0));
      if (node !== undefined) return node;
      throw this.#corrupt(`the target of ${name} is a phandle nothing has`);
    }
    const [path] = texts(properties.get("target-path") ?? new Uint8Array());
    if (path === undefined) throw this.#corrupt(`${name} has neither target nor target-path`);
    const node = nodeAt(this.#root, path);
    if (node !== undefined) return node;
    throw this.#missing(
      `${name} goes to ${path}, which the device tree has not`,
      "Take the overlay that belongs to this device tree",
    );
  }

  /** Where the tree's node has a phandle already, the overlay's references are turned to that one. */
  #keepPhandles(target: EditableNode, content: EditableNode): void {
    const kept = new Map<number, number>();
    const visit = (below: EditableNode, brought: EditableNode) => {
      const ours = phandleOf(below);
      const theirs = phandleOf(brought);
      if (ours !== undefined && theirs !== undefined) {
        kept.set(theirs, ours);
        for (const name of PHANDLE_NAMES) brought.properties.delete(name);
      }
      for (const [name, child] of brought.children) {
        const same = below.children.get(name);
        if (same !== undefined) visit(same, child);
      }
    };
    visit(target, content);
    if (kept.size === 0) return;
    for (const { bytes, offsetBytes } of this.#references) {
      const phandle = kept.get(viewOf(bytes).getUint32(offsetBytes));
      if (phandle !== undefined) viewOf(bytes).setUint32(offsetBytes, phandle);
    }
  }

  #merge(target: EditableNode, content: EditableNode): void {
    for (const [name, value] of content.properties) target.properties.set(name, value);
    const phandle = phandleOf(target);
    if (phandle !== undefined) this.#byPhandle.set(phandle, target);
    const { path, depth } = this.#placeOf.get(target)!;
    for (const [name, child] of content.children) {
      const into = target.children.get(name);
      if (into !== undefined) {
        this.#merge(into, child);
        continue;
      }
      target.children.set(name, child);
      this.#register(child, `${depth === 1 ? "" : path}/${name}`, depth + 1);
    }
  }

  /** Labels of the overlay, by where their nodes lie now. */
  #addSymbols(targetPaths: ReadonlyMap<string, string>): void {
    const symbols = this.#overlay.children.get(SYMBOLS);
    if (symbols === undefined) return;
    let into = this.#root.children.get(SYMBOLS);
    if (into === undefined) {
      into = { name: SYMBOLS, properties: new Map(), children: new Map() };
      this.#root.children.set(SYMBOLS, into);
    }
    for (const [label, value] of symbols.properties) {
      const [, fragment, overlay, ...rest] = (texts(value)[0] ?? "").split("/");
      const target = targetPaths.get(fragment ?? "");
      // A label of the fragment itself names no node of the result.
      if (target === undefined || overlay !== OVERLAY) continue;
      const path = [target === "/" ? "" : target, ...rest].join("/") || "/";
      into.properties.set(label, Uint8Array.from(`${path}\0`, (c) => c.charCodeAt(0)));
    }
  }

  #corrupt(state: string): FastboopError {
    return new FastboopError({
      kind: "corrupt",
      action: this.#action,
      state,
      hint: "Build the overlay again: dtc -@ -O dtb",
    });
  }

  #missing(state: string, hint: string): FastboopError {
    return new FastboopError({ kind: "not-found", action: this.#action, state, hint });
  }
}

function copyOf({ name, properties, children }: EditableNode): EditableNode {
  return {
    name,
    properties: new Map(properties),
    children: new Map([...children].map(([key, child]) => [key, copyOf(child)])),
  };
}

function phandleOf({ properties }: EditableNode): number | undefined {
  const value = properties.get("phandle") ?? properties.get("linux,phandle");
  return value?.length === 4 ? viewOf(value).getUint32(0) : undefined;
}

/** NUL-ended strings. */
function texts(value: Uint8Array): string[] {
  const text = Array.from(value, (byte) => String.fromCharCode(byte)).join("");
  return text.split("\0").slice(0, -1);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
