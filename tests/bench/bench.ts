/**
 * `deno task bench`: every figure beside its target, its peer and the machine. It reports and never
 * fails: a slow machine is a fact, not a fault. Words select benches: `deno task bench ext4 smoo`.
 */
export interface BenchRow {
  name: string;
  figure: string;
  target: string;
  ok: boolean;
}

const BENCHES = [
  "start",
  "initramfs",
  "ext4",
  "cpio",
  "smoo",
  "usbip",
  "http",
  "depmod",
  "native",
  "boot",
  "trace",
  "read",
];

function machine(): string {
  const model = /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "?";
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const cpus = navigator.hardwareConcurrency;
  return `${cpus} x ${model}, ${memory} GiB, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}`;
}

console.log(machine());
for (const name of Deno.args.length > 0 ? Deno.args : BENCHES) {
  try {
    const { bench } = await import(`./${name}_bench.ts`) as { bench: () => Promise<BenchRow[]> };
    for (const row of await bench()) {
      const mark = row.ok ? "ok  " : "MISS";
      console.log(`${mark} ${row.name.padEnd(52)} ${row.figure.padEnd(30)} target ${row.target}`);
    }
  } catch (error) {
    console.log(`FAIL ${name}: ${error instanceof Error ? error.message : error}`);
  }
}
