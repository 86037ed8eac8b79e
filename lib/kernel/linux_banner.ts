const MARK = "Linux version ";
const MAX_BANNER_CHARACTERS = 512;
const WINDOW_BYTES = 1 << 20;
/** More than a whole banner, so that none is lost between two windows. */
const OVERLAP_BYTES = 1024;

/**
 * What follows the first `Linux version ` in an uncompressed kernel: `6.12.3-lab (who@where) (gcc ...`.
 * Undefined when there is none (init/version-timestamp.c, linux_banner).
 *
 * The format string `Linux version %s` of the same kernel is passed over: a release begins with a digit.
 */
export function linuxBanner(image: Uint8Array): string | undefined {
  const latin1 = new TextDecoder("latin1");
  for (let start = 0; start < image.length; start += WINDOW_BYTES - OVERLAP_BYTES) {
    const banner = bannerIn(latin1.decode(image.subarray(start, start + WINDOW_BYTES)));
    if (banner !== undefined) return banner;
  }
  return undefined;
}

/** Each character is looked at once, however many marks come before the end of a text. */
function bannerIn(text: string): string | undefined {
  let end = 0;
  for (let at = text.indexOf(MARK); at >= 0; at = text.indexOf(MARK, at + 1)) {
    const start = at + MARK.length;
    const limit = Math.min(text.length, start + MAX_BANNER_CHARACTERS + 1);
    end = Math.max(end, start);
    while (end < limit && text[end] !== "\0" && text[end] !== "\n") end++;
    if (end < limit && /\d/.test(text[start]!)) return text.slice(start, end);
  }
  return undefined;
}
