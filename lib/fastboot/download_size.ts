/** The bootloader's max-download-size, as bootloaders really write it. Pure. */

export interface DownloadSize {
  /** Undefined: the text says nothing usable. */
  sizeBytes: number | undefined;
  /** Something was guessed; worth showing. */
  warning?: string;
}

/** No phone offers less: a kernel alone is bigger. Below, a decimal text is suspected to be hex. */
const PLAUSIBLE_BYTES = 8 * 1024 * 1024;
const U32_MAX = 0xffff_ffff;

/**
 * Reads the value as C's strtoul does for these forms: `0x` means hexadecimal, digits are decimal.
 *
 * Some bootloaders write hexadecimal without the prefix: text with letters, or a decimal reading that is
 * implausibly small, is read as hexadecimal, with a warning. 0 means "not said".
 */
export function parseDownloadSize(text: string): DownloadSize {
  const value = text.trim();
  const said = `max-download-size is "${value}"`;
  if (/^0[xX][0-9A-Fa-f]{1,16}$/.test(value)) return clamp(parseInt(value.slice(2), 16), said);
  if (!/^[0-9A-Fa-f]{1,16}$/.test(value)) {
    return {
      sizeBytes: undefined,
      warning: `${said}, which is no number; the size is not checked`,
    };
  }
  const hexadecimal = parseInt(value, 16);
  if (/[A-Fa-f]/.test(value)) {
    return { ...clamp(hexadecimal, said), warning: `${said}, read as hexadecimal` };
  }
  const decimal = parseInt(value, 10);
  if (decimal >= PLAUSIBLE_BYTES || decimal === 0) return clamp(decimal, said);
  if (hexadecimal < PLAUSIBLE_BYTES) return clamp(decimal, said);
  return {
    ...clamp(hexadecimal, said),
    warning: `${said}: implausibly small, so it is read as hexadecimal`,
  };
}

/** A `download` names its size in 32 bits, so more than that is the same as that. */
function clamp(sizeBytes: number, said: string): DownloadSize {
  if (sizeBytes === 0) return { sizeBytes: undefined, warning: `${said}; the size is not checked` };
  return { sizeBytes: Math.min(sizeBytes, U32_MAX) };
}
