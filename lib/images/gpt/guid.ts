/**
 * The 16 bytes of a GUID as text: `b921b045-1df0-41c3-af44-4c6f280d3fae`. The first three groups are
 * little-endian on disk, the other two are bytes in order (UEFI 2.10, appendix A).
 */
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

export function formatGuid(bytes: Uint8Array): string {
  const digits = ORDER.map((at) => bytes[at]!.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
