import { printable } from "../../bytes/printable.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { choosePartition, windowOf } from "../choose_partition.ts";
import type { ContainerOptions } from "../container.ts";
import type { GptSelector } from "../pipeline/pipeline.ts";
import type { GptPartition } from "./parse_gpt.ts";
import { readGpt } from "./read_gpt.ts";

/**
 * Opens the partition that `selector` names. GUIDs are compared without case and dashes, labels exactly.
 *
 * @throws {FastboopError} `usage` when the selector names none or several; `unsupported` when there is
 * no GPT; `corrupt` for a damaged table, or a partition that reaches behind the end.
 */
export async function openGptPartition(
  source: Reader,
  selector: GptSelector,
  options: ContainerOptions = {},
): Promise<Reader> {
  const action = `Open a GPT partition of ${source.identity}`;
  const [wanted, matches] = criterion(action, selector);
  const { lbaSizeBytes } = selector;
  const { signal } = options;
  const table = await readGpt(source, {
    ...lbaSizeBytes === undefined ? {} : { lbaSizeBytes },
    ...signal === undefined ? {} : { signal },
  });
  if (table === undefined) {
    const state = lbaSizeBytes === undefined
      ? "there is no GUID partition table, neither with LBAs of 512 nor of 4096 bytes"
      : `there is no GUID partition table with LBAs of ${lbaSizeBytes} bytes`;
    throw new FastboopError({ kind: "unsupported", action, state });
  }
  const partition = choosePartition(action, table.partitions, wanted, matches);
  return windowOf(action, source, "gpt", partition);
}

/** The selector in words, and as a test. */
function criterion(
  action: string,
  { partlabel, partuuid, index }: GptSelector,
): [wanted: string, matches: (partition: GptPartition) => boolean] {
  const given = [partlabel, partuuid, index].filter((value) => value !== undefined);
  if (given.length !== 1) {
    const state = `${given.length} of partlabel, partuuid and index are given, must be one`;
    throw new FastboopError({ kind: "usage", action, state });
  }
  if (partlabel !== undefined) {
    return [`label "${printable(partlabel)}"`, ({ label }) => label === partlabel];
  }
  if (partuuid !== undefined) {
    const digits = bare(partuuid);
    return [
      `PARTUUID ${printable(partuuid)}`,
      (partition) => bare(partition.partuuid) === digits,
    ];
  }
  return [`index ${index}`, (partition) => partition.index === index];
}

function bare(guid: string): string {
  return guid.trim().replaceAll("-", "").toLowerCase();
}
