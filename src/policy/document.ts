import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Pair,
  parseDocument,
  Scalar,
  YAMLMap,
  YAMLSeq,
} from "yaml";
import { badInput, RoamwallError } from "../base/errors.ts";

/** More than any policy a person or a program writes; less than what would stall a small AP. */
const TEXT_CHARACTERS_MAX = 8 << 20;

/** A value of a YAML or JSON document that knows where it stands: every complaint can name file, line and field. */
export class Field {
  constructor(
    private readonly document: Context,
    private readonly node: Node | null,
    /** As `roles.staff.rules[2]`; empty at the top. */
    readonly path: string,
  ) {}

  /** `policy.yaml:12 roles.staff.rules[2]` */
  get place(): string {
    const start = this.node?.range?.[0];
    const line = start === undefined ? "" : `:${this.document.lines.linePos(start).line}`;
    const path = this.document.show?.(this.path) ?? this.path;
    return `${this.document.place}${line}${path ? ` ${path}` : ""}`;
  }

  /** Empty values (`zones:` with nothing behind it) count as absent. */
  get isEmpty(): boolean {
    return this.node === null || (isScalar(this.node) && this.node.value === null);
  }

  isList(): boolean {
    return isSeq(this.node);
  }

  isMapping(): boolean {
    return isMap(this.node);
  }

  /** Members of a mapping, in order. */
  entries(accepted: string): [key: string, value: Field][] {
    if (!isMap(this.node)) throw badInput(this.place, `${this.shown} is no mapping`, accepted);
    return this.node.items.map((pair) => {
      const key = scalarText(this.document.resolve(pair.key as Node | null));
      if (key === undefined) throw badInput(this.place, "a key that is no plain text", accepted);
      const value = this.document.resolve(pair.value as Node | null);
      // An absent value has no place of its own: its key's line is where the reader must look.
      return [key, new Field(this.document, value ?? null, this.path ? `${this.path}.${key}` : key)];
    });
  }

  /** Members by name; an unknown name is an error, since a mistyped setting must not be silently ignored. */
  fields<K extends string>(names: readonly K[]): Partial<Record<K, Field>> {
    const found: Partial<Record<K, Field>> = {};
    for (const [key, value] of this.entries(`a mapping with ${names.join(", ")}`)) {
      if (!(names as readonly string[]).includes(key)) {
        throw badInput(value.isEmpty ? this.place : value.place, `unknown field "${key}"`, names.join(", "));
      }
      if (!value.isEmpty) found[key as K] = value;
    }
    return found;
  }

  list(accepted: string): Field[] {
    if (!isSeq(this.node)) throw badInput(this.place, `${this.shown} is no list`, accepted);
    return this.node.items.map((item, i) => {
      return new Field(this.document, this.document.resolve(item as Node | null) ?? null, `${this.path}[${i}]`);
    });
  }

  /** A scalar as it was written: 020000000001 stays a MAC address, not a number. */
  text(accepted: string): string {
    const text = this.isEmpty ? undefined : scalarText(this.node);
    if (text === undefined) throw badInput(this.place, `${this.shown} is no single value`, accepted);
    // A line break would tear an error message or a log line; an escape code would steer the terminal.
    if (/\p{Cc}/u.test(text)) throw badInput(this.place, "a value with control characters", accepted);
    return text;
  }

  /** A whole number within the range. */
  integer(least: number, most: number): number {
    const accepted = `a whole number of ${least} to ${most}`;
    const text = this.text(accepted);
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw badInput(this.place, `"${text}"`, accepted);
    return value;
  }

  oneOf<T extends string>(values: readonly T[]): T {
    const text = this.text(values.join(", "));
    if (!(values as readonly string[]).includes(text)) throw badInput(this.place, `"${text}"`, values.join(", "));
    return text as T;
  }

  boolean(): boolean {
    return this.oneOf(["true", "false"]) === "true";
  }

  private get shown(): string {
    if (this.isEmpty) return "nothing";
    if (isMap(this.node)) return "a mapping";
    if (isSeq(this.node)) return "a list";
    return JSON.stringify(scalarText(this.node));
  }
}

interface Context {
  readonly place: string;
  readonly lines: LineCounter;
  /** How the reader's file writes a path; absent: as YAML does. */
  show?(path: string): string;
  resolve(node: Node | null): Node | null;
}

/** The top of a YAML (hence also JSON) text. `place` is the file's name. Throws ROAMWALL_ERR_INPUT with the line. */
export function readDocument(text: string, place: string): Field {
  if (text.length > TEXT_CHARACTERS_MAX) {
    throw badInput(place, `${text.length} characters`, `at most ${TEXT_CHARACTERS_MAX}`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw badInput(`${place}:${line}:${col}`, error.message.replace(/\s+/g, " "), "YAML 1.2 or JSON");
  }
  const resolve = (node: Node | null): Node | null => (isAlias(node) ? (node.resolve(document) ?? null) : node);
  try {
    return new Field({ place, lines, resolve }, resolve(document.contents as Node | null), "");
  } catch (cause) {
    throw new RoamwallError("ROAMWALL_ERR_INPUT", `${place}: ${String(cause)}`);
  }
}

/** Values of a file in another form than YAML. `at`: offset in its text. */
export interface Placed {
  readonly at: number;
  readonly value: string | readonly Placed[] | ReadonlyMap<string, Placed>;
}

/** The top of a document that another parser has read from `text`; complaints name its lines, and paths as `show` writes them. */
export function placedDocument(top: Placed, text: string, place: string, show: (path: string) => string): Field {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) lines.addNewLine(i + 1);
  return new Field({ place, lines, show, resolve: (node) => node }, nodeOf(top), "");
}

function nodeOf({ at, value }: Placed): Node {
  const node = typeof value === "string" ? new Scalar(value) : isList(value) ? listOf(value) : mapOf(value);
  node.range = [at, at, at];
  return node;
}

function isList(value: readonly Placed[] | ReadonlyMap<string, Placed>): value is readonly Placed[] {
  return Array.isArray(value);
}

function mapOf(value: ReadonlyMap<string, Placed>): YAMLMap {
  const map = new YAMLMap();
  for (const [key, member] of value) map.items.push(new Pair(new Scalar(key), nodeOf(member)));
  return map;
}

function listOf(value: readonly Placed[]): YAMLSeq {
  const list = new YAMLSeq();
  for (const member of value) list.items.push(nodeOf(member));
  return list;
}

function scalarText(node: Node | null): string | undefined {
  if (!isScalar(node)) return undefined;
  return typeof node.value === "string" ? node.value : (node.source ?? String(node.value));
}
