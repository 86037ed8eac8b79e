/**
 * Where the chunks of an index are: `given`, or beside the index as casync's own layout has it.
 *
 * Of a URL the last path segment `indexes` becomes `chunks` and what is behind it goes, query and fragment too;
 * of a path a parent named `indexes` becomes its sibling `chunks`. Without either it is the index's own folder.
 */
export function casyncChunkStoreOf(indexLocation: string, given?: string): string {
  if (given !== undefined) return given;
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(indexLocation);
  return isUrl ? storeOfUrl(indexLocation) : storeOfPath(indexLocation);
}

function storeOfUrl(location: string): string {
  const plain = location.replace(/[?#].*$/s, "");
  const [, origin = "", path = ""] = /^([a-z][a-z0-9+.-]*:\/\/[^/]*)(.*)$/is.exec(plain) ?? [];
  const segments = path.split("/");
  const at = segments.lastIndexOf("indexes");
  const kept = at < 0 ? segments.slice(0, -1) : [...segments.slice(0, at), "chunks"];
  return origin + kept.join("/");
}

function storeOfPath(location: string): string {
  const segments = location.split("/");
  segments.pop();
  if (segments.length === 0) return ".";
  if (segments.at(-1) === "indexes") segments.splice(-1, 1, "chunks");
  return segments.join("/") || "/";
}
