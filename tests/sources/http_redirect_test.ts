import assert from "node:assert/strict";
import { isInnerAddress, nextHop } from "../../lib/sources/http_redirect.ts";
import { HttpFault } from "../../lib/sources/http_retry.ts";

const NAMES: Record<string, string[]> = {
  "public.example": ["93.184.216.34"],
  "router.example": ["192.168.1.1"],
  "both.example": ["93.184.216.34", "fd00::1"],
};
const lookup = (name: string) => Promise.resolve(NAMES[name] ?? []);
const hop = (from: string, location: string | null) => nextHop(new URL(from), location, lookup);

const PASSES: [string, string, string][] = [
  ["http://public.example/a", "b?c", "http://public.example/b?c"],
  ["http://public.example/a", "https://mirror.example/a", "https://mirror.example/a"],
  ["https://public.example/a", "//mirror.example/a", "https://mirror.example/a"],
  ["http://127.0.0.1:8080/a", "http://127.0.0.1:9090/b", "http://127.0.0.1:9090/b"],
  ["http://192.168.1.2/a", "http://localhost/b", "http://localhost/b"],
  ["http://router.example/a", "http://10.0.0.1/b", "http://10.0.0.1/b"],
];
for (const [from, location, to] of PASSES) {
  Deno.test(`nextHop() follows ${from} to ${location}`, async () => {
    assert.equal((await hop(from, location)).href, to);
  });
}

const REFUSED: [string, string | null, RegExp][] = [
  ["https://public.example/a", "http://public.example/a", /from https to http/],
  ["http://public.example/a", "file:///etc/passwd", /file: URL/],
  ["http://public.example/a", "data:,x", /data: URL/],
  ["http://public.example/a", "http://u:p@public.example/", /credentials/],
  ["http://public.example/a", null, /nowhere/],
  ["http://public.example/a", "http://[", /nowhere/],
  ["http://public.example/a", "http://127.0.0.1/", /inside/],
  ["http://public.example/a", "http://127.1/", /inside/],
  ["http://public.example/a", "http://0x7f000001/", /inside/],
  ["http://public.example/a", "http://localhost./", /inside/],
  ["http://public.example/a", "http://sub.localhost/", /inside/],
  ["http://public.example/a", "http://[::1]/", /inside/],
  ["http://public.example/a", "http://[::ffff:10.0.0.1]/", /inside/],
  ["http://public.example/a", "http://169.254.169.254/", /inside/],
  ["http://public.example/a", "http://router.example/", /inside/],
  ["http://public.example/a", "http://both.example/", /inside/],
];
for (const [from, location, state] of REFUSED) {
  Deno.test(`nextHop() refuses ${from} to ${location}`, async () => {
    await assert.rejects(hop(from, location), (error) => {
      assert.ok(error instanceof HttpFault);
      assert.match(error.state, state);
      return true;
    });
  });
}

Deno.test("isInnerAddress() knows the edges of the private ranges", () => {
  const inner = "0.0.0.0 10.255.255.255 100.64.0.0 100.127.0.1 127.0.0.2 172.16.0.1 172.31.9.9 " +
    "192.168.0.0 169.254.0.1 ::1 :: fc00::1 fdff::1 fe80::1 febf::1 fe80::1%eth0 ::ffff:127.0.0.1";
  for (const address of inner.split(" ")) assert.equal(isInnerAddress(address), true, address);
  const outer =
    "9.9.9.9 11.0.0.1 100.63.0.1 100.128.0.1 126.0.0.1 128.0.0.1 172.15.0.1 172.32.0.1 " +
    "192.167.0.1 192.169.0.1 169.253.0.1 ::2 fb00::1 fe7f::1 fec0::1 fc::1 2001:db8::1 " +
    "::ffff:8.8.8.8";
  for (const address of outer.split(" ")) assert.equal(isInnerAddress(address), false, address);
});
