/** What a stage may say, whatever form it came in. Source: pipeline.md 1.2. */
import type { Content, Pipeline } from "./pipeline.ts";

/** Wrappers over a leaf. */
export const MAX_PIPELINE_DEPTH = 16;
/** Bytes of one URL, path, name or command line. */
export const MAX_TEXT_BYTES = 8192;
export const MAX_U32 = 0xffff_ffff;

type WithoutSource<P> = P extends { readonly source: Pipeline } ? Omit<P, "source"> : P;
/** One stage without the stages below it. */
export type Stage = WithoutSource<Pipeline>;

/** A rule that is broken. */
export interface StageProblem {
  /** As the document calls it: `["content", "digest"]`; empty for the stage itself. */
  readonly field: readonly string[];
  readonly state: string;
}

/** The first rule a stage breaks. */
export function stageProblem(stage: Stage): StageProblem | undefined {
  return contentProblem(stage.content) ?? ownProblem(stage);
}

function ownProblem(stage: Stage): StageProblem | undefined {
  switch (stage.kind) {
    case "http":
      return named("http", textProblem(stage.url));
    case "file":
      return named("file", textProblem(stage.path));
    case "casync":
      return named("index", textProblem(stage.index) ?? archiveProblem(stage.index)) ??
        (stage.chunkStore === undefined
          ? undefined
          : named("chunk_store", textProblem(stage.chunkStore)));
    case "tar":
    case "zip":
    case "iso9660":
      return named("entry", textProblem(stage.entry));
    case "mbr":
    case "gpt":
      return selectorProblem(stage.kind, stage.selector);
    default:
      return undefined;
  }
}

/** Why a text cannot stand where one is needed. */
export function textProblem(text: string): string | undefined {
  return text.trim() === "" ? "must not be empty" : optionalTextProblem(text);
}

/** The same where an empty text is as good as none. */
export function optionalTextProblem(text: string): string | undefined {
  if (!text.isWellFormed()) return "is not valid Unicode";
  const sizeBytes = new TextEncoder().encode(text).length;
  return sizeBytes > MAX_TEXT_BYTES
    ? `has ${sizeBytes} bytes, at most ${MAX_TEXT_BYTES} are taken`
    : undefined;
}

function contentProblem(content: Content | undefined): StageProblem | undefined {
  if (content === undefined) return undefined;
  const { digest, sizeBytes } = content;
  const hex = digest.replace(/^sha512:/, "");
  const state = digest === ""
    ? "must not be empty"
    : hex === digest
    ? "must begin with sha512:"
    : hex.length !== 128
    ? `must have 128 hexadecimal digits, has ${hex.length}`
    : /^[0-9a-f]+$/.test(hex)
    ? undefined
    : "must be lower-case hexadecimal";
  if (state !== undefined) return { field: ["content", "digest"], state };
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= 0) return undefined;
  return { field: ["content", "size_bytes"], state: "must be a number of bytes below 2^53" };
}

function archiveProblem(index: string): string | undefined {
  return /\.caidx$/i.test(index.replace(/[?#].*$/s, ""))
    ? "is an index of an archive (.caidx); name the index of an image (.caibx)"
    : undefined;
}

function selectorProblem(
  kind: "mbr" | "gpt",
  selector: { partlabel?: string; partuuid?: string; index?: number },
): StageProblem | undefined {
  const names = kind === "mbr"
    ? ["partuuid", "index"] as const
    : ["partlabel", "partuuid", "index"] as const;
  const chosen = names.filter((name) => selector[name] !== undefined);
  if (chosen.length !== 1) {
    const state = `needs exactly one of ${names.join(", ")}; it has ` +
      (chosen.join(" and ") || "none");
    return { field: [], state };
  }
  const value = selector[chosen[0]!];
  return typeof value === "string" ? named(chosen[0]!, textProblem(value)) : undefined;
}

function named(field: string, state: string | undefined): StageProblem | undefined {
  return state === undefined ? undefined : { field: [field], state };
}
