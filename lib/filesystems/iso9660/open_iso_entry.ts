import { LeasedReader } from "../../images/leased_reader.ts";
import type { Reader } from "../../sources/reader.ts";
import { MemberReader } from "../member_reader.ts";
import { openIso9660 } from "./open_iso9660.ts";

/**
 * A regular file of an ISO9660 image. The Reader owns `source`; when opening fails it stays the caller's.
 *
 * @throws {FastboopError} `not-found`, and what `openIso9660` throws.
 */
export async function openIsoEntry(source: Reader, entry: string): Promise<Reader> {
  const lease = new LeasedReader(source);
  const tree = await openIso9660(lease);
  try {
    const member = await tree.open(entry.replace(/^\/+/, ""));
    lease.keep();
    return new MemberReader(member, tree);
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}
