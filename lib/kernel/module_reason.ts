/** Why a module is among those to load. */

/**
 * One way by which a module came in.
 *
 * `pattern` is the alias that matched `word`; absent when `word` is the module's own name.
 */
export type ModuleReason =
  | {
    readonly kind: "requested";
    readonly word: string;
    readonly set?: string;
    readonly pattern?: string;
  }
  | { readonly kind: "hard"; readonly of: string }
  | {
    readonly kind: "soft";
    readonly of: string;
    readonly when: "pre" | "post" | "weak";
    readonly word: string;
    readonly pattern?: string;
  };

/** The reason in words: `soft dependency (pre) of libcrc32c, alias crc32c`. */
export function describeReason(reason: ModuleReason): string {
  if (reason.kind === "hard") return `hard dependency of ${reason.of}`;
  const alias = reason.pattern === undefined
    ? ""
    : reason.pattern === reason.word
    ? `, alias ${reason.pattern}`
    : `, "${reason.word}" by alias ${reason.pattern}`;
  if (reason.kind === "soft" && reason.when === "weak") {
    return `weak dependency of ${reason.of}${alias}`;
  }
  if (reason.kind === "soft") return `soft dependency (${reason.when}) of ${reason.of}${alias}`;
  return `requested${reason.set === undefined ? "" : ` by @${reason.set}`}${alias}`;
}
