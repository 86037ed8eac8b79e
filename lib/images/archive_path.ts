/**
 * The name of an archive's member as a path of a tree: without a leading `/` or `./`, doubled and trailing
 * slashes and `.` in between; "" for the root. Undefined when a `..` is in it: such a member is never unpacked.
 */
export function archivePath(name: string): string | undefined {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  return parts.includes("..") ? undefined : parts.join("/");
}
