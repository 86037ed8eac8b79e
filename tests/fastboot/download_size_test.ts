import assert from "node:assert/strict";
import { parseDownloadSize } from "../../lib/fastboot/download_size.ts";

Deno.test("parseDownloadSize() reads what bootloaders write", () => {
  const cases: [string, number | undefined, RegExp | undefined][] = [
    ["0x20000000", 0x20000000, undefined],
    ["0X10000000", 0x10000000, undefined],
    ["536870912", 536870912, undefined],
    [" 268435456 ", 268435456, undefined],
    ["0x100", 0x100, undefined], // said as clearly as can be: believed
    ["8388608", 8388608, undefined],
    ["4000000", 0x4000000, /implausibly small/], // 64 MiB without its 0x
    ["1f400000", 0x1f400000, /read as hexadecimal/],
    ["100", 100, undefined], // small either way: the smaller one is the safe one
    ["0x200000000", 0xffffffff, undefined], // a download names its size in 32 bits
    ["0", undefined, /not checked/],
    ["0x0", undefined, /not checked/],
    ["lots", undefined, /no number/],
    ["-1", undefined, /no number/],
    ["0x", undefined, /no number/],
    ["12 MB", undefined, /no number/],
  ];
  for (const [text, sizeBytes, warning] of cases) {
    const size = parseDownloadSize(text);
    assert.equal(size.sizeBytes, sizeBytes, text);
    if (warning === undefined) assert.equal(size.warning, undefined, text);
    else assert.match(size.warning ?? "", warning, text);
  }
});
