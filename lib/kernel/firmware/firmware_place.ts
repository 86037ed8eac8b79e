/**
 * Where a file found in a tree's firmware directory goes: below `<prefix>/firmware`; what a link of it led
 * to elsewhere keeps its place, so that the link goes on to lead there.
 */
export function firmwarePlace(path: string, directory: string, prefix: string): string {
  if (directory === "") return `${prefix}/firmware/${path}`;
  return path.startsWith(`${directory}/`)
    ? `${prefix}/firmware/${path.slice(directory.length + 1)}`
    : path;
}
