/**
 * Where a redirect may lead.
 *
 * Refused: away from https, to another scheme, and from a public host to one of this machine or its
 * private networks (a public server must not steer reads to a router's or a cloud's inner address).
 * Addresses: RFC 1122, 1918, 3927, 4193, 4291, 6598.
 */
import { printable } from "../bytes/printable.ts";
import { HttpFault } from "./http_retry.ts";

/** Addresses of a host name; empty when it does not resolve. */
export type Lookup = (hostname: string) => Promise<string[]>;

/** @throws {HttpFault} `foreign` when the hop is refused. */
export async function nextHop(
  from: URL,
  location: string | null,
  lookup: Lookup,
): Promise<URL> {
  if (!location || !URL.canParse(location, from)) throw refuse("to nowhere");
  const to = new URL(location, from);
  if (to.protocol !== "http:" && to.protocol !== "https:") {
    throw refuse(`to a ${printable(to.protocol).slice(0, 20)} URL`);
  }
  if (from.protocol === "https:" && to.protocol !== "https:") throw refuse("from https to http");
  if (to.username || to.password) throw refuse("to a URL with credentials");
  if (to.host !== from.host && await isInner(to, lookup) && !await isInner(from, lookup)) {
    throw refuse(`from a public host to "${printable(to.hostname)}" inside`);
  }
  return to;
}

function refuse(where: string): HttpFault {
  return new HttpFault("foreign", `the server redirects ${where}`, {
    hint: "Check the URL; if the target is meant, give it directly",
  });
}

async function isInner(url: URL, lookup: Lookup): Promise<boolean> {
  const name = url.hostname.replace(/\.$/, "");
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  if (name.startsWith("[") || /^[\d.]+$/.test(name)) return isInnerAddress(name);
  return (await lookup(name)).some(isInnerAddress);
}

/** Whether an IP address is loopback, private, link-local, shared or unspecified. */
export function isInnerAddress(address: string): boolean {
  const text = address.replace(/^\[|\]$/g, "").replace(/%.*$/, "").toLowerCase();
  if (!text.includes(":")) return isInner4(text.split(".").map(Number));
  // The URL parser writes every IPv6 address in its one shortest form.
  const url = `http://[${text}]/`;
  if (!URL.canParse(url)) return false;
  const shortest = new URL(url).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(shortest);
  if (mapped) {
    const [high, low] = [parseInt(mapped[1]!, 16), parseInt(mapped[2]!, 16)];
    return isInner4([high >> 8, high & 255, low >> 8, low & 255]);
  }
  return shortest === "::" || shortest === "::1" || /^(f[cd]..|fe[89ab].):/.test(shortest);
}

function isInner4([a = -1, b = -1]: number[]): boolean {
  return a === 0 || a === 10 || a === 127 || (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ||
    (a === 100 && b >= 64 && b < 128);
}
