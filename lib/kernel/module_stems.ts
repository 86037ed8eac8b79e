/**
 * Modules of a modules.order as paths in the build, without their ending: `fs/erofs/erofs`.
 *
 * Before Linux 5.3 every line began with `kernel/`, and since 6.2 they end with `.o`. Between the two,
 * `kernel/torture.ko` is a module of the folder kernel/.
 */
export function moduleStems(modulesOrder: string): string[] {
  const lines = modulesOrder.split("\n").filter((line) => line !== "");
  const isOld = lines.every((line) => line.startsWith("kernel/") && line.endsWith(".ko"));
  return lines.map((line) => line.slice(isOld ? "kernel/".length : 0).replace(/\.(ko|o)$/, ""));
}
