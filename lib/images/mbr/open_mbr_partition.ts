import { printable } from "../../bytes/printable.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { choosePartition, windowOf } from "../choose_partition.ts";
import type { ContainerOptions } from "../container.ts";
import type { MbrSelector } from "../pipeline/pipeline.ts";
import { readMbr } from "./read_mbr.ts";

/**
 * Opens the partition that `selector` names, logical ones too.
 *
 * @throws {FastboopError} `usage` when the selector names none, several or an extended partition;
 * `unsupported` when there is no DOS partition table or it only protects a GPT; `corrupt` for a damaged
 * one, or a partition that reaches behind the end.
 */
export async function openMbrPartition(
  source: Reader,
  selector: MbrSelector,
  options: ContainerOptions = {},
): Promise<Reader> {
  const action = `Open an MBR partition of ${source.identity}`;
  const { partuuid, index, lbaSizeBytes } = selector;
  const { signal } = options;
  if ((partuuid === undefined) === (index === undefined)) {
    const state = "must be given exactly one of partuuid and index";
    throw new FastboopError({ kind: "usage", action, state });
  }
  const table = await readMbr(source, {
    ...lbaSizeBytes === undefined ? {} : { lbaSizeBytes },
    ...signal === undefined ? {} : { signal },
  });
  if (table === undefined || (table.isProtective && table.partitions.length === 0)) {
    const state = table === undefined
      ? "there is no DOS partition table"
      : "its only entry protects a GUID partition table";
    const hint = "Look at it with sfdisk; a GPT is opened as one";
    throw new FastboopError({ kind: "unsupported", action, state, hint });
  }
  const wanted = partuuid === undefined ? `index ${index}` : `PARTUUID ${printable(partuuid)}`;
  const uuid = partuuid?.trim().toLowerCase();
  const partition = choosePartition(action, table.partitions, wanted, (candidate) => {
    return uuid === undefined ? candidate.index === index : candidate.partuuid === uuid;
  });
  if (partition.isExtended) {
    const state = `partition ${partition.index} is an extended one, it only holds others`;
    const hint = "Logical partitions have the indexes from 4";
    throw new FastboopError({ kind: "usage", action, state, hint });
  }
  return windowOf(action, source, "mbr", partition);
}
