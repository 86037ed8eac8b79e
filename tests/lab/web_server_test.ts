import assert from "node:assert/strict";
import { WebServer } from "./web_server.ts";

async function withServer(test: (web: WebServer) => Promise<void>): Promise<void> {
  const file = await Deno.makeTempFile({ prefix: "fastboop-lab-web-" });
  try {
    await Deno.writeTextFile(file, "0123456789");
    await using web = new WebServer({ "/f": file });
    await test(web);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("WebServer answers ranges, HEAD and validators, and counts", async () => {
  await withServer(async (web) => {
    const range = await fetch(web.url("/f"), { headers: { range: "bytes=2-4" } });
    assert.equal(range.status, 206);
    assert.equal(range.headers.get("content-range"), "bytes 2-4/10");
    assert.equal(await range.text(), "234");
    const head = await fetch(web.url("/f"), { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), "10");
    const changed = { range: "bytes=2-4", "if-range": '"other"' };
    assert.equal(await (await fetch(web.url("/f"), { headers: changed })).text(), "0123456789");
    assert.equal((await fetch(web.url("/g"))).status, 404);
    const past = await fetch(web.url("/f"), { headers: { range: "bytes=10-" } });
    assert.equal(past.status, 416);
    assert.equal(web.sentBytes, 13);
    assert.deepEqual(web.requests.map((r) => r.status), [206, 200, 200, 404, 416]);
  });
});

Deno.test("WebServer sends nothing while it is stalled", async () => {
  await withServer(async (web) => {
    web.stall();
    let isAnswered = false;
    const answer = fetch(web.url("/f")).then(async (response) => {
      isAnswered = true;
      return await response.text();
    });
    await assert.rejects(fetch(web.url("/f"), { signal: AbortSignal.timeout(200) }));
    assert.equal(isAnswered, false);
    web.resume();
    assert.equal(await answer, "0123456789");
  });
});
