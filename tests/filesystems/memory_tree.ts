/** A FileTree from plain objects, for trees no host directory can or should have. */
import { sortNames } from "../../lib/sources/sort_names.ts";
import type { Entry, FileTree } from "../../lib/sources/file_tree.ts";
import type { Reader } from "../../lib/sources/reader.ts";

export type Children = { [name: string]: Node };

export interface Node {
  /** What it is and whatever differs from 0644, 0:0, 1970. */
  entry: Partial<Entry> & { kind: Entry["kind"] };
  children?: Map<string, Node>;
  data?: Uint8Array;
}

type Extra = Partial<Entry>;

export function directory(children: Children | Map<string, Node> = {}, extra: Extra = {}): Node {
  const map = children instanceof Map ? children : new Map(Object.entries(children));
  return { entry: { kind: "directory", mode: 0o755, ...extra }, children: map };
}

/** A file with data, or one of that many zeros. */
export function file(content: string | Uint8Array | number = "", extra: Extra = {}): Node {
  if (typeof content === "number") {
    return { entry: { kind: "file", sizeBytes: content, ...extra } };
  }
  const data = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { entry: { kind: "file", sizeBytes: data.length, ...extra }, data };
}

export function symlink(linkTarget: string, extra: Extra = {}): Node {
  const sizeBytes = new TextEncoder().encode(linkTarget).length;
  return { entry: { kind: "symlink", mode: 0o777, linkTarget, sizeBytes, ...extra } };
}

export function special(kind: "fifo" | "socket", extra: Extra = {}): Node {
  return { entry: { kind, ...extra } };
}

export function device(
  kind: "character-device" | "block-device",
  major: number,
  minor: number,
): Node {
  return { entry: { kind, deviceMajor: major, deviceMinor: minor } };
}

/** `count` empty files with names made by `name`. */
export function manyFiles(count: number, name: (index: number) => string): Map<string, Node> {
  const empty = file();
  return new Map(Array.from({ length: count }, (_, i) => [name(i), empty]));
}

export class MemoryTree implements FileTree {
  readonly #root: Node;
  /** Paths that were opened, in order. */
  readonly opened: string[] = [];

  constructor(root: Node) {
    this.#root = root;
  }

  stat(path: string): Promise<Entry | undefined> {
    const node = this.#find(path);
    return Promise.resolve(node && toEntry(path.slice(path.lastIndexOf("/") + 1), node));
  }

  list(path: string): Promise<Entry[]> {
    const children = this.#find(path)?.children;
    if (children === undefined) return Promise.reject(new Error(`no directory "${path}"`));
    const names = sortNames([...children.keys()]);
    return Promise.resolve(names.map((name) => toEntry(name, children.get(name)!)));
  }

  open(path: string): Promise<Reader> {
    this.opened.push(path);
    const { data, entry } = this.#find(path)!;
    return Promise.resolve({
      sizeBytes: entry.sizeBytes ?? 0,
      identity: path,
      readAt(offsetBytes, into) {
        if (data === undefined) into.fill(0);
        else into.set(data.subarray(offsetBytes, offsetBytes + into.length));
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path === "" ? [] : path.split("/")) node = node?.children?.get(name);
    return node;
  }
}

function toEntry(name: string, { entry }: Node): Entry {
  return {
    name,
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    ...entry,
  };
}
