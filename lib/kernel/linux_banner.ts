/**
 * What follows the first `Linux version ` in an uncompressed kernel: `6.12.3-lab (who@where) (gcc ...`.
 * Undefined when there is none (init/version-timestamp.c, linux_banner).
 *
 * The format string `Linux version %s` of the same kernel is passed over: a release begins with a digit.
 */
export function linuxBanner(image: Uint8Array): string | undefined {
  const latin1 = new TextDecoder("latin1");
  for (let start = 0; start < image.length; start += WINDOW_BYTES - OVERLAP_BYTES) {
    const text = latin1.decode(image.subarray(start, start + WINDOW_BYTES));
    const match = /Linux version (\d[^\0\n]{0,511})[\0\n]/.exec(text);
    if (match) return match[1];
  }
  return undefined;
}

const WINDOW_BYTES = 1 << 20;
/** More than a whole banner, so that none is lost between two windows. */
const OVERLAP_BYTES = 1024;
