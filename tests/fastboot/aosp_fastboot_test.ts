/**
 * AOSP's own fastboot against the made-up bootloader that our client is tested with, over TCP (AOSP
 * system/core, fastboot/README.md, "TCP protocol v1"): what it accepts is not only our idea of fastboot.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { FastbootClient } from "../../lib/fastboot/client.ts";
import { FakeBootloader } from "../support/fake_bootloader.ts";
import { FakeUsbLink } from "../support/fake_usb.ts";

const FASTBOOT = "/usr/bin/fastboot";
const missing = !exists(FASTBOOT);

// No TEXT: Debian's client (29.0.6) does not know that newer status.
const TRAITS = {
  variables: { product: "sdm845", "max-download-size": "0x10000000" },
  override: (command: string) =>
    command === "getvar:slow" ? ["INFOfirst", "INFOsecond", "OKAYthird"] : undefined,
};

Deno.test({
  name: "AOSP fastboot and FastbootClient get the same answers from the same bootloader",
  ignore: missing,
  async fn() {
    for (const name of ["product", "slow", "nothing"]) {
      const { output, bootloader } = await runAosp(["getvar", name]);
      const { client, ours, lines } = ourClient();
      const value = await client.getvar(name);
      assert.deepEqual(ours.commands, bootloader.commands, "the same command on the wire");
      for (const line of lines) assert.match(output, new RegExp(line));
      assert.match(output, value === undefined ? /FAILED/ : new RegExp(`${name}: ?${value}`));
    }
  },
});

Deno.test({
  name: "AOSP fastboot stages the same bytes with the same command as FastbootClient.download()",
  ignore: missing,
  async fn() {
    const image = Uint8Array.from({ length: 1_234_567 }, (_, i) => (i * 13 + (i >> 7)) & 0xff);
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeFile(path, image);
      const { output, bootloader, code } = await runAosp(["stage", path]);
      assert.equal(code, 0, output);
      const { client, ours } = ourClient();
      await client.download([image.subarray(0, 1000), image.subarray(1000)], image.length);
      assert.equal(Buffer.compare(bootloader.image!, image), 0);
      assert.equal(Buffer.compare(ours.image!, bootloader.image!), 0);
      const downloads = (all: string[]) => all.filter((command) => command.startsWith("download:"));
      assert.deepEqual(downloads(ours.commands), downloads(bootloader.commands));
    } finally {
      await Deno.remove(path);
    }
  },
});

function ourClient(): { client: FastbootClient; ours: FakeBootloader; lines: string[] } {
  const ours = new FakeBootloader(TRAITS);
  const lines: string[] = [];
  const link = new FakeUsbLink({
    transferOut: (_endpoint, data) => ours.receive(data),
    transferIn: () => ours.next(),
  });
  const client = new FastbootClient(link, { onInfo: (line) => lines.push(line) });
  return { client, ours, lines };
}

async function runAosp(
  args: string[],
): Promise<{ output: string; code: number; bootloader: FakeBootloader }> {
  const bootloader = new FakeBootloader(TRAITS);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = serve(listener, bootloader);
  const child = new Deno.Command(FASTBOOT, {
    args: ["-s", `tcp:127.0.0.1:${(listener.addr as Deno.NetAddr).port}`, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { stdout, stderr, code } = await child.output();
  listener.close();
  await serving;
  const decoder = new TextDecoder();
  return { output: decoder.decode(stderr) + decoder.decode(stdout), code, bootloader };
}

/** Each message is a 64-bit big-endian length and that many bytes, after "FB01" both ways. */
async function serve(listener: Deno.TcpListener, bootloader: FakeBootloader): Promise<void> {
  for await (const conn of listener) {
    try {
      if (await read(conn, 4) === undefined) continue;
      await write(conn, new TextEncoder().encode("FB01"));
      for (;;) {
        const head = await read(conn, 8);
        if (head === undefined) break;
        const body = await read(conn, Number(new DataView(head.buffer).getBigUint64(0)));
        if (body === undefined) break;
        bootloader.receive(body);
        for (let reply = bootloader.next(); reply !== undefined; reply = bootloader.next()) {
          const message = new Uint8Array(8 + reply.length);
          new DataView(message.buffer).setBigUint64(0, BigInt(reply.length));
          message.set(reply, 8);
          await write(conn, message);
        }
      }
    } catch {
      // the client hung up
    } finally {
      conn.close();
    }
  }
}

async function read(
  conn: Deno.TcpConn,
  count: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(count);
  for (let got = 0; got < count;) {
    const some = await conn.read(bytes.subarray(got));
    if (some === null) return undefined;
    got += some;
  }
  return bytes;
}

async function write(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
