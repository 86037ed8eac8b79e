import assert from "node:assert/strict";
import {
  HTTP_LIMITS,
  parseRetryAfter,
  retryDelayMs,
  statusFault,
} from "../../lib/sources/http_retry.ts";

Deno.test("retryDelayMs() doubles from 0.5 s to 15 s and spreads by a quarter", () => {
  const middle = [1, 2, 3, 4, 5, 6, 7, 100].map((n) => retryDelayMs(HTTP_LIMITS, n, 0.5));
  assert.deepEqual(middle, [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  assert.equal(retryDelayMs(HTTP_LIMITS, 1, 0), 375);
  assert.equal(retryDelayMs(HTTP_LIMITS, 1, 1), 625);
});

Deno.test("retryDelayMs() waits for a Retry-After, 60 s at most", () => {
  assert.equal(retryDelayMs(HTTP_LIMITS, 1, 0.5, 59_999), 59_999);
  assert.equal(retryDelayMs(HTTP_LIMITS, 1, 0.5, 60_001), 60_000);
  assert.equal(retryDelayMs(HTTP_LIMITS, 6, 0.5, 1000), 15_000);
});

Deno.test("parseRetryAfter() reads seconds, and a date by the answer's own clock", () => {
  const parse = (init: Record<string, string>) => parseRetryAfter(new Headers(init));
  assert.equal(parse({}), undefined);
  assert.equal(parse({ "retry-after": "120" }), 120_000);
  assert.equal(parse({ "retry-after": "-1" }), undefined);
  assert.equal(parse({ "retry-after": "soon" }), undefined);
  const date = "Fri, 20 Nov 2026 10:00:00 GMT";
  assert.equal(parse({ date, "retry-after": "Fri, 20 Nov 2026 10:00:09 GMT" }), 9000);
  assert.equal(parse({ date, "retry-after": "Fri, 20 Nov 2026 09:00:00 GMT" }), 0);
  assert.equal(parse({ "retry-after": "Fri, 20 Nov 2026 10:00:09 GMT" }), undefined);
});

Deno.test("statusFault() retries what may pass and nothing else", () => {
  const verdict = (status: number) => statusFault(status, new Headers())?.verdict;
  for (const status of [200, 206, 304, 416]) assert.equal(verdict(status), undefined);
  for (const status of [408, 425, 429, 500, 502, 503, 504, 520]) {
    assert.equal(verdict(status), "retry", String(status));
  }
  for (const status of [400, 401, 403, 404, 405, 410, 451, 501]) {
    assert.equal(verdict(status), "fail", String(status));
  }
});
