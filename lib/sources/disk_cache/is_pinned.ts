/**
 * Whether an identity names exact content, and not a place whose content may become another one unseen.
 *
 * A server's answer without a validator ends in its size, one with a weak ETag may stand for different bytes
 * (RFC 9110 section 8.8.1), and a block device can be written to at any time. Identities of containers hold
 * those of their sources in brackets, so all of them are looked at.
 */
export function isPinned(identity: string): boolean {
  return !/:size=\d+(?=$|\))/.test(identity) && !/:etag=W\//i.test(identity) &&
    !/(?:^|\()device:/.test(identity);
}
