/** Certificates: a server that proves its name to nobody we trust is not read from. */
import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { openHttp } from "../../lib/sources/http.ts";
import { ScriptedClock } from "../support/scripted_clock.ts";

async function makeCertificate(folder: string): Promise<{ cert: string; key: string }> {
  const { success, stderr } = await new Deno.Command("openssl", {
    // deno-fmt-ignore
    args: [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`,
    ],
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return {
    cert: await Deno.readTextFile(`${folder}/cert.pem`),
    key: await Deno.readTextFile(`${folder}/key.pem`),
  };
}

function hasOpenssl(): boolean {
  try {
    return new Deno.Command("openssl", { args: ["version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "openHttp() refuses a certificate that nobody trusted signed",
  ignore: !hasOpenssl(),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "fastboop-tls-" });
    try {
      const { cert, key } = await makeCertificate(folder);
      let served = 0;
      const server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
        () => {
          served++;
          return new Response("x", { status: 206, headers: { "content-range": "bytes 0-0/1" } });
        },
      );
      const clock = new ScriptedClock((delayMs) => delayMs < 20_000);
      await assert.rejects(
        openHttp(`https://127.0.0.1:${server.addr.port}/image.ero`, { clock }),
        (error) => {
          assert.ok(error instanceof FastboopError);
          assert.equal(error.kind, "source");
          assert.match(error.state, /certificate is not trusted/);
          return true;
        },
      );
      assert.equal(served, 0);
      await server.shutdown();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
