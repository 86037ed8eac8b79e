import type { Reader } from "../../sources/reader.ts";
import { type DecodedOptions, openDecoded } from "../open_decoded.ts";
import { GzipPieces } from "./gzip_pieces.ts";

/**
 * A gzip file of any number of members as a Reader of its content.
 *
 * Nothing in the format tells the size (the trailer has it modulo 2^32, of the last member alone) or lets one
 * begin in the middle, so that all is decoded, and checked, at opening.
 *
 * @throws {FastboopError} `corrupt`, `unsupported`, `limit`; what reading and the scratch space throw.
 */
export function openGzip(source: Reader, options: DecodedOptions = {}): Promise<Reader> {
  return openDecoded(`gzip:(${source.identity})`, source, new GzipPieces(source), options);
}
