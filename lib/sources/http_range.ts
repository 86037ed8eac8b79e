/**
 * What a partial answer must say about itself, and what is pinned from the first one.
 *
 * Pure: headers in, verdicts out. Source: RFC 9110 sections 8.8 (validators), 13.1.5 (If-Range),
 * 14.4 (Content-Range), 15.3.7 (206).
 */
import { formatSize } from "../bytes/size.ts";
import { printable } from "../bytes/printable.ts";
import { HttpFault } from "./http_retry.ts";

/** What makes an image the same image for as long as it is read. */
export interface HttpPin {
  readonly totalBytes: number;
  /** As sent, quotes included; `W/` in front when weak. */
  readonly etag?: string;
  readonly lastModified?: string;
  readonly contentType?: string;
}

/** A `Content-Range: bytes START-END/TOTAL`; END is inclusive. */
export interface ContentRange {
  startBytes: number;
  endBytes: number;
  totalBytes: number;
}

/** Undefined when the header is missing, has `*` for a part, or contradicts itself. */
export function parseContentRange(header: string | null): ContentRange | undefined {
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/i.exec(header?.trim() ?? "");
  if (!match) return undefined;
  const [startBytes, endBytes, totalBytes] = match.slice(1).map(Number) as [number, number, number];
  if (!Number.isSafeInteger(totalBytes) || endBytes < startBytes || endBytes >= totalBytes) {
    return undefined;
  }
  return { startBytes, endBytes, totalBytes };
}

/** The validator for `If-Range`: only a strong ETag or a date may stand there. */
export function ifRangeOf(pin: HttpPin): string | undefined {
  return isStrong(pin) ? pin.etag : pin.lastModified;
}

/** Whether the pinned validator alone proves that two answers are of the same bytes. */
export function isStrong(pin: HttpPin): boolean {
  return pin.etag !== undefined && !pin.etag.startsWith("W/");
}

/**
 * Pins size and validators from the answer to `bytes=0-0`.
 *
 * @throws {HttpFault} when the server does not do ranges or does not tell the size.
 */
export function readPin(status: number, headers: Headers): HttpPin {
  if (status === 416 && /^bytes \*\/0$/i.test(headers.get("content-range")?.trim() ?? "")) {
    throw new HttpFault("fail", "the file is empty");
  }
  const range = checkPartial(status, headers, 0, 1);
  const etag = headers.get("etag");
  const lastModified = headers.get("last-modified");
  const contentType = mediaType(headers);
  return {
    totalBytes: range.totalBytes,
    ...(etag ? { etag } : {}),
    ...(lastModified ? { lastModified } : {}),
    ...(contentType ? { contentType } : {}),
  };
}

/**
 * Accepts the answer to a range of a pinned image, or says what is wrong with it.
 *
 * @throws {HttpFault} `changed` when the image is another one now, `retry` for a malformed answer,
 * `foreign` for one of somebody else (a network's login page).
 */
export function checkAnswer(
  pin: HttpPin,
  status: number,
  headers: Headers,
  offsetBytes: number,
  lengthBytes: number,
): void {
  const portal = status === 200 && mediaType(headers) === "text/html" &&
    pin.contentType !== "text/html";
  if ((status === 200 || status === 206) && !portal) refuseOtherValidator(pin, headers);
  if (status === 416) throw pastEnd(pin, headers);
  const range = checkPartial(status, headers, offsetBytes, lengthBytes);
  if (range.totalBytes === pin.totalBytes) return;
  const state = `the size went from ${pin.totalBytes} to ${range.totalBytes} bytes`;
  // The same validator with another size is a broken answer; without one the size is all there is.
  if (sameValidator(pin, headers)) throw new HttpFault("retry", state);
  throw changed(pin, state);
}

/** Checks status and Content-Range of an answer to a range of known place and length. */
function checkPartial(
  status: number,
  headers: Headers,
  offsetBytes: number,
  lengthBytes: number,
): ContentRange {
  if (status === 200) {
    const type = mediaType(headers);
    throw new HttpFault(
      "foreign",
      "the server ignored the range" + (type ? ` and sent ${type}` : ""),
      type === "text/html"
        ? { hint: "Is this the image's own URL, and does the network ask for a login page?" }
        : { hint: "Download the image and give its path, or use a server that answers ranges" },
    );
  }
  if (status !== 206) throw new HttpFault("fail", `the server answered ${status} to a range`);
  const encoding = headers.get("content-encoding")?.trim().toLowerCase();
  if (encoding && encoding !== "identity") {
    throw new HttpFault("retry", `the range came encoded as ${printable(encoding).slice(0, 40)}`);
  }
  const header = headers.get("content-range");
  const range = parseContentRange(header);
  if (
    range?.startBytes !== offsetBytes || range.endBytes - range.startBytes + 1 !== lengthBytes
  ) {
    const asked = `bytes ${offsetBytes}-${offsetBytes + lengthBytes - 1}`;
    const got = header === null ? "no Content-Range" : `"${printable(header).slice(0, 80)}"`;
    throw new HttpFault("retry", `asked for ${asked}, the answer says ${got}`);
  }
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== lengthBytes) {
    throw new HttpFault("retry", `asked for ${formatSize(lengthBytes)}, ${length} bytes announced`);
  }
  return range;
}

function refuseOtherValidator(pin: HttpPin, headers: Headers): void {
  const etag = headers.get("etag");
  if (pin.etag !== undefined && etag !== null) {
    if (etag !== pin.etag) throw changed(pin, "its ETag is another one now");
    return;
  }
  const modified = headers.get("last-modified");
  if (pin.lastModified !== undefined && modified !== null && modified !== pin.lastModified) {
    throw changed(pin, "its Last-Modified is another one now");
  }
}

/** The range lies inside what was pinned, so the image has shrunk, or the server contradicts itself. */
function pastEnd(pin: HttpPin, headers: Headers): HttpFault {
  const total = /^bytes \*\/(\d{1,16})$/i.exec(headers.get("content-range")?.trim() ?? "")?.[1];
  if (Number(total) === pin.totalBytes) return new HttpFault("retry", "the server answered 416");
  return changed(pin, "the server says that the range lies past its end");
}

function sameValidator(pin: HttpPin, headers: Headers): boolean {
  if (pin.etag !== undefined) return headers.get("etag") === pin.etag;
  return pin.lastModified !== undefined && headers.get("last-modified") === pin.lastModified;
}

function changed(pin: HttpPin, state: string): HttpFault {
  return new HttpFault("changed", `image changed under us: ${state}`, {
    hint: isStrong(pin)
      ? "Boot again: the phone must not run from two versions of one image"
      : "Boot again, from a server that sends a strong ETag if it has one",
  });
}

function mediaType(headers: Headers): string | undefined {
  const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  return type ? printable(type).slice(0, 60) : undefined;
}
