/**
 * Which modules drive a device tree node, by the `of:` patterns of modules.alias.
 *
 * There are ten thousand patterns and thousands of nodes, so patterns are sorted by their first
 * `compatible` string; one with wildcards in it is tried on every node.
 */
import type { FdtNode } from "../../devicetree/fdt.ts";
import { stringList } from "../../devicetree/string_list.ts";
import { aliasMatches } from "../alias_matches.ts";
import type { ModuleIndex } from "../module_index.ts";
import { foldAlias } from "../module_name.ts";
import { ofModalias } from "./of_modalias.ts";

/** A module and the line of modules.alias that names it. */
export interface DtDriver {
  readonly module: string;
  readonly alias: string;
}

interface Pattern extends DtDriver {
  readonly folded: string;
}

/**
 * `of:N*T*Cvendor,device` and the same with `C*`, as scripts/mod/file2alias.c writes them. A name with a T in it
 * only makes a pattern one that is tried on every node.
 */
const PLAIN = /^of:N[^CT]*T[^CT]*C([^*?[\]\\]+?)(C\*)?$/;

export class DtDrivers {
  readonly #byCompatible = new Map<string, Pattern[]>();
  readonly #wild: Pattern[] = [];
  /** Patterns of drivers in the kernel image, where the kernel says so (6.18 and later). */
  readonly #builtin: readonly string[];
  readonly #buses = new Map<string, string[]>();

  constructor(index: ModuleIndex) {
    for (const { pattern, module } of index.aliases) {
      if (!index.modules.has(module)) continue;
      if (!pattern.startsWith("of:")) {
        if (/^(i2c|spi):/.test(pattern)) this.#add(this.#buses, foldAlias(pattern), module);
        continue;
      }
      const entry = { module, alias: pattern, folded: foldAlias(pattern) };
      const compatible = PLAIN.exec(pattern)?.[1];
      if (compatible === undefined) this.#wild.push(entry);
      else this.#add(this.#byCompatible, compatible, entry);
    }
    this.#builtin = index.builtinAliases.filter((pattern) => pattern.startsWith("of:"));
  }

  /** Modules for a node, each once; none when nothing matches. */
  find(node: FdtNode): DtDriver[] {
    const compatible = stringList(node, "compatible");
    if (compatible.length === 0) return [];
    const modalias = foldAlias(ofModalias(node));
    const found = new Map<string, DtDriver>();
    const patterns = compatible.flatMap((c) =>
      this.#byCompatible.get(c.replaceAll(" ", "_")) ?? []
    );
    for (const { module, alias, folded } of [...patterns, ...this.#wild]) {
      if (!found.has(module) && aliasMatches(folded, modalias)) {
        found.set(module, { module, alias });
      }
    }
    if (found.size === 0) this.#findOnBus(compatible[0]!, found);
    return [...found.values()];
  }

  /** Whether the kernel says that a driver of its own answers to the node. */
  isBuiltin(node: FdtNode): boolean {
    const modalias = foldAlias(ofModalias(node));
    return this.#builtin.some((pattern) => aliasMatches(pattern, modalias));
  }

  /** I2C and SPI devices also go by their first `compatible` without its vendor (drivers/of/base.c). */
  #findOnBus(compatible: string, found: Map<string, DtDriver>): void {
    const device = compatible.slice(compatible.indexOf(",") + 1);
    for (const bus of ["i2c", "spi"]) {
      const alias = `${bus}:${device}`;
      for (const module of this.#buses.get(foldAlias(alias)) ?? []) {
        found.set(module, { module, alias });
      }
    }
  }

  #add<T>(map: Map<string, T[]>, key: string, value: T): void {
    const list = map.get(key);
    if (list) list.push(value);
    else map.set(key, [value]);
  }
}
