import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { FastboopError } from "../../lib/errors/errors.ts";
import { FastbootClient, type FastbootOptions } from "../../lib/fastboot/client.ts";
import { ofKind } from "../support/expect_kind.ts";
import { type BootloaderTraits, FakeBootloader } from "../support/fake_bootloader.ts";
import { FakeUsbLink, FASTBOOT_IN, FASTBOOT_OUT } from "../support/fake_usb.ts";

interface Setting {
  bootloader: FakeBootloader;
  link: FakeUsbLink;
  client: FastbootClient;
  /** Every byte that left for the phone, transfer by transfer. */
  wire: Uint8Array[];
}

function setting(
  traits: BootloaderTraits = {},
  options: FastbootOptions = {},
  faults: { unplugAt?: number; stallAt?: number } = {},
): Setting {
  const bootloader = new FakeBootloader(traits);
  const wire: Uint8Array[] = [];
  const link = new FakeUsbLink({
    transferOut: (endpoint, data) => {
      assert.equal(endpoint, FASTBOOT_OUT);
      wire.push(data);
      bootloader.receive(data);
    },
    transferIn: (endpoint) => {
      assert.equal(endpoint, FASTBOOT_IN);
      return bootloader.next();
    },
    ...faults,
  });
  return { bootloader, link, wire, client: new FastbootClient(link, options) };
}

const MAX = { variables: { "max-download-size": "0x10000000" } };

function image(sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}

Deno.test("getvar() gives values, and undefined for FAIL, empty and unknown", async () => {
  const variables = { product: "sdm845", empty: "", blank: "  ", odd: "Unknown", spaced: " a b " };
  const { client, bootloader } = setting({ variables });
  assert.equal(await client.getvar("product"), "sdm845");
  assert.equal(await client.getvar("spaced"), "a b");
  for (const name of ["empty", "blank", "odd", "missing"]) {
    assert.equal(await client.getvar(name), undefined, name);
  }
  assert.equal(bootloader.commands[0], "getvar:product");
});

Deno.test("getvar() shows lines on the way and goes on after a bad name", async () => {
  const lines: string[] = [];
  const { client, bootloader } = setting({
    variables: { product: "x" },
    override: (command) =>
      command === "getvar:slow" ? ["INFOone", "TEXTtwo\0", "OKAYdone"] : undefined,
  }, { onInfo: (line) => lines.push(line) });
  assert.equal(await client.getvar("slow"), "done");
  assert.deepEqual(lines, ["one", "two"]);
  await assert.rejects(client.getvar("a\nflash:boot"), ofKind("usage"));
  await assert.rejects(client.getvar("x".repeat(58)), ofKind("limit"));
  assert.equal(await client.getvar("product"), "x");
  assert.deepEqual(bootloader.commands, ["getvar:slow", "getvar:product"]);
});

Deno.test("download() and boot() put the image into RAM and start it", async () => {
  const { client, bootloader } = setting(MAX);
  const parts = [image(4096), image(2_500_000), image(1), new Uint8Array(0), image(300_000)];
  const whole = Buffer.concat(parts);
  const progress: number[] = [];
  await client.download(parts, whole.length, { onProgress: (sent) => progress.push(sent) });
  await client.boot();
  assert.equal(Buffer.compare(bootloader.image!, whole), 0);
  assert.deepEqual(bootloader.pieces, [1048576, 1048576, whole.length - 2 * 1048576]);
  assert.deepEqual(progress, [1048576, 2097152, whole.length]);
  assert.ok(bootloader.booted);
  await assert.rejects(client.getvar("product"), ofKind("internal", /handed over/));
});

Deno.test("download() takes its parts from an async source, too", async () => {
  const { client, bootloader } = setting(MAX);
  async function* source() {
    for (let i = 0; i < 5; i++) yield await Promise.resolve(image(1000 + i));
  }
  await client.download(source(), 5010);
  assert.equal(bootloader.image?.length, 5010);
});

Deno.test("only getvar, download and boot ever leave; data only after DATA", async () => {
  const { client, wire, bootloader } = setting(MAX);
  await client.getvar("product");
  await client.download([image(3_000_000)], 3_000_000);
  await client.boot();
  let expectedData = 0;
  for (const bytes of wire) {
    if (expectedData > 0) {
      expectedData -= bytes.length;
      assert.ok(expectedData >= 0);
      continue;
    }
    const command = new TextDecoder().decode(bytes);
    assert.match(command, /^(getvar:[\x21-\x7e]+|download:[0-9a-f]{8}|boot)$/);
    if (command.startsWith("download:")) expectedData = parseInt(command.slice(9), 16);
  }
  assert.deepEqual(bootloader.commands, [
    "getvar:product",
    "getvar:max-download-size",
    "download:002dc6c0",
    "boot",
  ]);
});

Deno.test("download() sends nothing when the image is too big", async () => {
  const warnings: string[] = [];
  const { client, wire } = setting({ variables: { "max-download-size": "1f400000" } }, {
    onWarning: (text) => warnings.push(text),
  });
  const most = 0x1f400000;
  await assert.rejects(client.download([], most + 1), ofKind("limit", /at most 524288000/));
  await assert.rejects(client.download([], 2 ** 32), ofKind("limit", /at most 4294967295/));
  assert.deepEqual(wire.map((bytes) => new TextDecoder().decode(bytes)), [
    "getvar:max-download-size",
  ]);
  assert.equal(warnings.length, 1, "asked and warned once");
  await assert.rejects(client.download([], 0), ofKind("internal"));
});

Deno.test("download() fails for every reply but DATA of the same size", async () => {
  for (const reply of ["OKAY", "DATA00000011", "DATA0000000f", "DATA", "garbage", "OK", "INFO"]) {
    const { client, bootloader, wire } = setting({
      ...MAX,
      override: (command) => command.startsWith("download:") ? [reply] : undefined,
    }, { limits: { silenceMs: 40 } });
    await assert.rejects(client.download([image(16)], 16), ofKind("refused"), reply);
    assert.equal(wire.length, 2, "no data left");
    await assert.rejects(client.boot(), ofKind("refused"), "the first error is repeated");
    assert.equal(bootloader.commands.includes("boot"), false);
  }
});

Deno.test("FAIL becomes `refused` with the text and a hint, and the client goes on", async () => {
  const { client } = setting({
    variables: { "max-download-size": "0x10000000", product: "x" },
    override: (command) => command === "boot" ? ["FAILdtb not found\u001b[31m"] : undefined,
  });
  await client.download([image(16)], 16);
  await assert.rejects(client.boot(), ofKind("refused", /dtb not found\\x1b\[31m"[^]*device tree/));
  assert.equal(await client.getvar("product"), "x");
});

Deno.test("a source that fails or miscounts ends the download and the client", async () => {
  const { client } = setting(MAX);
  await assert.rejects(client.download([image(10)], 11), ofKind("internal", /have 10 bytes/));
  await assert.rejects(client.getvar("x"), ofKind("internal", /have 10 bytes/));

  const second = setting(MAX);
  async function* broken() {
    yield image(5);
    await Promise.resolve();
    throw new FastboopError({ kind: "limit", action: "Read", state: "too much" });
  }
  await assert.rejects(second.client.download(broken(), 10), ofKind("limit", /too much/));
  await assert.rejects(second.client.boot(), ofKind("limit"));
});

Deno.test("silence, floods, stalls and half replies end in `refused`", async () => {
  const silent = setting({ override: () => [] }, { limits: { silenceMs: 30 } });
  await assert.rejects(silent.client.getvar("x"), ofKind("refused", /silent for 0.03 s/));

  const talks = setting({ override: () => new Array(50).fill("INFOstill here") }, {
    limits: { getvarMs: 0 },
  });
  await assert.rejects(talks.client.getvar("x"), ofKind("refused", /did not finish in time/));

  const flood = setting({ override: () => new Array(5000).fill("INFOx") });
  await assert.rejects(flood.client.getvar("x"), ofKind("refused", /more than 4096 lines/));
  const many = setting({ override: () => [...new Array(4096).fill("INFOx"), "OKAYy"] });
  assert.equal(await many.client.getvar("x"), "y", "4096 lines are fine");

  const halves = setting({ override: () => ["OK", "AY"] });
  await assert.rejects(halves.client.getvar("x"), ofKind("refused", /only 2 bytes/));

  const stalls = setting({}, {}, { stallAt: 1 });
  await assert.rejects(stalls.client.getvar("x"), ofKind("refused", /stall/));

  const empties = setting({ override: () => [] });
  empties.bootloader.replies.push(new Uint8Array(0), new Uint8Array(0), "OKAYz");
  assert.equal(await empties.client.getvar("x"), "z", "zero-length packets are no replies");
});

Deno.test("the signal stops a wait with `cancelled`", async () => {
  const stop = new AbortController();
  const { client } = setting({ override: () => [] }, { signal: stop.signal });
  const waiting = client.getvar("x");
  stop.abort();
  await assert.rejects(waiting, ofKind("cancelled"));
});

Deno.test("one command at a time", async () => {
  const { client } = setting({ variables: { a: "1" } });
  const first = client.getvar("a");
  await assert.rejects(client.getvar("a"), ofKind("internal", /under way/));
  assert.equal(await first, "1");
});

/** The whole flow; where it stops tells which kind of error the cable's loss must be. */
async function flow(client: FastbootClient): Promise<void> {
  await client.getvar("product");
  await client.download([new Uint8Array(2_200_000)], 2_200_000);
  await client.boot();
}

Deno.test("the cable out at every transfer: `device` before boot was sent, `lost` after", async () => {
  const traits = { variables: { product: "x", "max-download-size": "0x10000000" } };
  const whole = setting(traits);
  await flow(whole.client);
  const transfers: number = whole.link.transfers;
  assert.equal(transfers, 13, "4 x (command, reply), 3 pieces, their reply, one line before OKAY");
  for (let at = 0; at < transfers; at++) {
    const { client, bootloader, link } = setting(traits, {}, { unplugAt: at });
    const bootSent: boolean = at > transfers - 3;
    await assert.rejects(flow(client), (error) => {
      assert.ok(error instanceof FastboopError, String(error));
      assert.equal(error.kind, bootSent ? "lost" : "device", `transfer ${at}: ${error.message}`);
      assert.match(error.message, /unplugged/);
      assert.match(error.hint ?? "", bootSent ? /may be booting/ : /Nothing was changed/);
      return true;
    });
    await link.closed;
    assert.equal(bootloader.booted, bootSent, `transfer ${at}`);
  }
});
