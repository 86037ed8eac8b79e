/** A value of a document together with where it stands, so that every refusal names its place. */
import { nearMatches } from "../../bytes/near_matches.ts";
import { printable } from "../../bytes/printable.ts";
import { FastboopError } from "../../errors/errors.ts";
import { optionalTextProblem, textProblem } from "./pipeline_rules.ts";

export type DocumentPath = readonly (string | number)[];

/** The document a value is from. */
export interface Document {
  /** For errors: `"profile.yaml"`. */
  readonly what: string;
  /** `line 3, column 5` of a path's value, or of its key; "" when unknown. */
  place?(path: DocumentPath, atKey?: boolean): string;
}

/** What a refusal says besides its text. */
export interface Refusal {
  /** Points at the key instead of the value. */
  readonly atKey?: boolean;
  readonly kind?: "corrupt" | "unsupported" | "limit";
  readonly hint?: string;
}

const MAX_NAME_CHARACTERS = 400;

export class DocumentNode {
  constructor(
    readonly value: unknown,
    readonly document: Document,
    readonly path: DocumentPath = [],
  ) {}

  /** @throws {FastboopError} always: `corrupt` unless another kind is given. */
  fail(state: string, { atKey = false, kind = "corrupt", hint }: Refusal = {}): never {
    const name = this.path.join(".").slice(0, MAX_NAME_CHARACTERS) || "the document";
    const place = this.document.place?.(this.path, atKey) ?? "";
    throw new FastboopError({
      kind,
      action: `Read ${printable(this.document.what)}`,
      state: printable(`${name}: ${state}`) + (place ? ` (${place})` : ""),
      ...(hint === undefined ? {} : { hint }),
    });
  }

  child(key: string | number): DocumentNode {
    const value = Object.hasOwn(this.value as object, key)
      ? (this.value as Record<string | number, unknown>)[key]
      : undefined;
    return new DocumentNode(value, this.document, [...this.path, key]);
  }

  /** The child, unless the mapping has no such key. */
  optional(key: string): DocumentNode | undefined {
    return Object.hasOwn(this.value as object, key) ? this.child(key) : undefined;
  }

  /** The child of a key that must be there. */
  required(key: string): DocumentNode {
    return this.optional(key) ?? this.fail(`${key} is missing`);
  }

  get isMapping(): boolean {
    const { value } = this;
    return typeof value === "object" && value !== null && !Array.isArray(value) &&
      !(value instanceof Uint8Array);
  }

  /** Keys of a mapping. */
  keys(): string[] {
    if (!this.isMapping) this.fail(`must be a mapping, is ${kindOf(this.value)}`);
    return Object.keys(this.value as object);
  }

  /** Refuses every key that is not `known`, with one that looks like it. */
  only(known: readonly string[], hints: Readonly<Record<string, string>> = {}): void {
    const wrong = this.keys().find((key) => !known.includes(key));
    if (wrong === undefined) return;
    const near = hints[wrong] === undefined
      ? nearMatches(wrong.slice(0, 64), known, 1)[0]
      : undefined;
    const hint = hints[wrong] ??
      (near === undefined ? `Known here: ${known.join(", ")}` : `Did you mean ${near}?`);
    this.child(wrong).fail("unknown key", { atKey: true, hint });
  }

  /** A text that is not blank. */
  text(): string {
    return this.#text(textProblem);
  }

  /** A text that may be empty. */
  optionalText(): string {
    return this.#text(optionalTextProblem);
  }

  #text(problemOf: (text: string) => string | undefined): string {
    const { value } = this;
    if (typeof value !== "string") {
      const quote = typeof value === "number" || typeof value === "boolean";
      return this.fail(`must be a text, is ${kindOf(value)}${quote ? ": put it in quotes" : ""}`);
    }
    const problem = problemOf(value);
    return problem === undefined ? value : this.fail(problem);
  }

  integer(most: number): number {
    const { value } = this;
    if (typeof value !== "number" || !Number.isInteger(value)) {
      return this.fail(`must be a whole number, is ${kindOf(value)}`);
    }
    return value >= 0 && value <= most ? value : this.fail(`must be from 0 to ${most}`);
  }

  boolean(): boolean {
    return typeof this.value === "boolean"
      ? this.value
      : this.fail(`must be true or false, is ${kindOf(this.value)}`);
  }

  list(most: number): DocumentNode[] {
    const { value } = this;
    if (!Array.isArray(value)) return this.fail(`must be a list, is ${kindOf(value)}`);
    if (value.length > most) this.fail(`has ${value.length} items, at most ${most} are taken`);
    return value.map((item, i) => new DocumentNode(item, this.document, [...this.path, i]));
  }
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return typeof value === "string" ? "a text" : printable(String(value)).slice(0, 40);
}
