/** With which tools a tree was built, told by its configuration: make must be given the same again. */
import { FastboopError } from "../errors/errors.ts";
import { type Arch, ARCHES } from "./arch.ts";
import type { Kconfig } from "./kconfig.ts";

export interface Toolchain {
  /** Prefix of the GNU tools, "" for the host's own. */
  readonly crossCompile: string;
  /** Value of `LLVM=`, absent for GNU tools. */
  readonly llvm?: string;
}

/** A prefix or version suffix that make and the shell take as it is. */
const PLAIN = /^[A-Za-z0-9._/+-]*$/;

/**
 * The toolchain of a tree: `CROSS_COMPILE` and `LLVM` of the environment, else what the compiler called
 * itself when the tree was configured, else the usual prefix when the tree is for another architecture.
 *
 * @throws {FastboopError} `usage` when a variable holds more than a plain prefix.
 */
export function toolchainOf(
  kconfig: Kconfig,
  arch: Arch,
  env: Readonly<Record<string, string | undefined>>,
  hostArch: string,
): Toolchain {
  for (const name of ["CROSS_COMPILE", "LLVM"]) {
    if (PLAIN.test(env[name] ?? "")) continue;
    throw new FastboopError({
      kind: "usage",
      action: `Read ${name} from the environment`,
      state: `"${env[name]}" is no plain prefix`,
      hint: `Set ${name} to a prefix such as ${ARCHES[arch].gnuPrefix}`,
    });
  }
  const compiler = (kconfig.get("CC_VERSION_TEXT") ?? "").split(" ")[0]!;
  const prefix = /^([A-Za-z0-9._+-]*-)gcc(-[0-9.]+)?$/.exec(compiler)?.[1];
  const fallback = arch === hostArch ? "" : ARCHES[arch].gnuPrefix;
  const crossCompile = env["CROSS_COMPILE"] ?? prefix ?? fallback;
  if (kconfig.get("CC_IS_CLANG") !== "y") return { crossCompile };
  return { crossCompile: env["CROSS_COMPILE"] ?? "", llvm: env["LLVM"] || "1" };
}
