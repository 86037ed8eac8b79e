/**
 * The name of a record without Rock Ridge, as the kernel shows it: without version and trailing dot; Joliet's
 * (UTF-16, big endian) as it is, any other in lower case.
 */
export function plainName(bytes: Uint8Array, isJoliet: boolean): string {
  const text = isJoliet ? decodeUtf16(bytes) : String.fromCharCode(...bytes).toLowerCase();
  return text.replace(/;\d*$/, "").replace(/(.)\.$/, "$1");
}

function decodeUtf16(bytes: Uint8Array): string {
  return new TextDecoder("utf-16be").decode(bytes);
}
