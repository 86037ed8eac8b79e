/** What to do about a bootloader's FAIL, by the texts bootloaders are known to send. */

const HINTS: [RegExp, string][] = [
  [
    /not allowed|(?<!b)lock|permission|denied|verif|sign(ed|ature)|secur|authent/i,
    "The bootloader is locked, or forbids booting from RAM: unlock it, or chain through lk2nd or U-Boot.",
  ],
  [
    /(unknown|invalid|unrecogni[sz]ed|no such) (remote )?command|unsupported|not supported|unimplemented/i,
    "This bootloader cannot boot from RAM: chain through lk2nd or U-Boot.",
  ],
  [
    /\bdtbs?\b|device ?tree|board.?id|qcdt/i,
    "The bootloader finds no device tree it wants: check devicetree_name, header_version and whether the " +
    "kernel needs the DTB appended (encoding image.gz+dtb) in the device profile.",
  ],
  [
    /too (large|big)|out of memory|not enough|no space|exceed|overlap/i,
    "The image does not fit: use a smaller kernel or fewer stage0 modules, or check base and offsets.",
  ],
  [
    /boot ?img|boot ?image|(invalid|bad|corrupt)\w* (image|kernel|header)|magic|page.?size|incomplete/i,
    "The bootloader rejects the image's form: check header_version, page_size, base and kernel.encoding " +
    "of the device profile.",
  ],
];

/** A hint for a FAIL text; undefined when the text says nothing known. */
export function failHint(text: string): string | undefined {
  return HINTS.find(([pattern]) => pattern.test(text))?.[1];
}
