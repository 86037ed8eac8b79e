import { FastboopError } from "../errors/errors.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._,+-]*(\/[A-Za-z0-9][A-Za-z0-9._,+-]*)*$/;

/**
 * A board's name becomes part of paths.
 *
 * @throws {FastboopError} `usage` when it is not as device profiles write it: `qcom/sdm845-oneplus-fajita`.
 */
export function checkDtbName(name: string): void {
  if (NAME.test(name)) return;
  throw new FastboopError({
    kind: "usage",
    action: "Look for the device tree",
    state: `"${name}" is no name like qcom/sdm845-oneplus-fajita`,
    hint: "Correct devicetree_name in the device profile",
  });
}
