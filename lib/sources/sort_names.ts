import { compareUtf8 } from "../bytes/compare.ts";

/**
 * Sorts names in place by their UTF-8 bytes. JavaScript's own order is by UTF-16 units, which is the same
 * unless a surrogate meets a character from U+E000 on, so the slow comparison is rarely needed.
 */
export function sortNames(names: string[]): string[] {
  const simple = names.every((name) => !/[\ud800-\uffff]/.test(name));
  return simple ? names.sort() : names.sort(compareUtf8);
}
