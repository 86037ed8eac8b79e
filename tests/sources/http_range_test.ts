import assert from "node:assert/strict";
import {
  checkAnswer,
  ifRangeOf,
  parseContentRange,
  readPin,
} from "../../lib/sources/http_range.ts";
import { HttpFault } from "../../lib/sources/http_retry.ts";

const fault = (verdict: string, state: RegExp) => (error: unknown) =>
  error instanceof HttpFault && error.verdict === verdict && state.test(error.state);

Deno.test("parseContentRange() takes a complete range only", () => {
  assert.deepEqual(parseContentRange("bytes 0-0/10"), {
    startBytes: 0,
    endBytes: 0,
    totalBytes: 10,
  });
  const last = parseContentRange("bytes 9007199254740989-9007199254740990/9007199254740991");
  assert.equal(last?.totalBytes, Number.MAX_SAFE_INTEGER);
  const wrong = [
    null,
    "",
    "bytes */10",
    "bytes 0-0/*",
    "bytes 5-4/10",
    "bytes 0-10/10",
    "bytes -1-0/10",
    "items 0-0/10",
    "bytes 0-0/10, bytes 1-1/10",
    "bytes 0-0/9007199254740992",
    "bytes 0-0/99999999999999999",
    "bytes 0x0-0/10",
  ];
  for (const header of wrong) assert.equal(parseContentRange(header), undefined, String(header));
});

Deno.test("ifRangeOf() sends a strong ETag, else the date, never a weak ETag", () => {
  const lastModified = "Fri, 20 Nov 2026 10:00:00 GMT";
  assert.equal(ifRangeOf({ totalBytes: 1, etag: '"a"', lastModified }), '"a"');
  assert.equal(ifRangeOf({ totalBytes: 1, etag: 'W/"a"', lastModified }), lastModified);
  assert.equal(ifRangeOf({ totalBytes: 1, etag: 'W/"a"' }), undefined);
});

Deno.test("readPin() keeps size, validators and media type", () => {
  const headers = new Headers({
    "content-range": "bytes 0-0/77",
    "etag": '"a"',
    "content-type": "Text/HTML; charset=utf-8",
  });
  assert.deepEqual(readPin(206, headers), {
    totalBytes: 77,
    etag: '"a"',
    contentType: "text/html",
  });
  assert.throws(() => readPin(200, headers), fault("foreign", /ignored the range.*text\/html/));
  assert.throws(() => readPin(206, new Headers()), fault("retry", /no Content-Range/));
  assert.throws(() => readPin(204, new Headers()), fault("fail", /204/));
});

Deno.test("checkAnswer() tells a changed image from a broken answer", () => {
  const pin = { totalBytes: 100, etag: '"a"', contentType: "application/octet-stream" };
  const answer = (headers: Record<string, string>, status = 206) => () =>
    checkAnswer(pin, status, new Headers(headers), 10, 5);
  const range = { "content-range": "bytes 10-14/100" };
  answer(range)();
  answer({ ...range, etag: '"a"', "content-encoding": "identity" })();
  assert.throws(answer({ ...range, etag: '"b"' }), fault("changed", /ETag/));
  assert.throws(answer({ etag: '"b"' }, 200), fault("changed", /ETag/));
  assert.throws(answer({ etag: '"a"' }, 200), fault("foreign", /ignored the range/));
  const portal = { etag: '"b"', "content-type": "text/html" };
  assert.throws(answer(portal, 200), fault("foreign", /ignored the range and sent text\/html/));
  const larger = { "content-range": "bytes 10-14/101" };
  assert.throws(answer(larger), fault("changed", /size/));
  assert.throws(answer({ ...larger, etag: '"a"' }), fault("retry", /size/));
  assert.throws(answer({ "content-range": "bytes */9" }, 416), fault("changed", /past its end/));
  assert.throws(answer({ "content-range": "bytes */100" }, 416), fault("retry", /416/));
  assert.throws(answer({ ...range, "content-encoding": "gzip" }), fault("retry", /gzip/));
  assert.throws(answer({ ...range, "content-length": "6" }), fault("retry", /6 bytes announced/));
});

Deno.test("checkAnswer() lets no control character of a header through", () => {
  const headers = new Headers({ "content-range": "bytes \u009b31m" });
  assert.throws(
    () => checkAnswer({ totalBytes: 9 }, 206, headers, 0, 1),
    (error) => !/[\u0080-\u009f]/.test((error as HttpFault).state),
  );
});
