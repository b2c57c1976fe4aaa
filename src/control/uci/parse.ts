/** The text of a UCI file (what `uci export` prints is the same) as sections that know where each word stands. */
import { badInput } from "../../base/errors.ts";

export interface UciSection {
  readonly type: string;
  /** Absent: `config port` without a name. */
  readonly name: string | undefined;
  readonly at: number;
  readonly options: readonly UciValue[];
}

export interface UciValue {
  readonly name: string;
  readonly isList: boolean;
  /** Offset in the text. */
  readonly at: number;
  readonly values: readonly { readonly text: string; readonly at: number }[];
}

interface Word {
  readonly text: string;
  readonly at: number;
}

/** libuci's own bound is in this region, and no configuration of ours comes near. */
const TEXT_CHARACTERS_MAX = 1 << 20;
const NAME = /^[A-Za-z0-9_]+$/;
const TYPE = /^[A-Za-z0-9_-]+$/;

/** Throws ROAMWALL_ERR_INPUT with file and line. A repeated option replaces the one before, as in libuci. */
export function parseUci(text: string, place: string): UciSection[] {
  if (text.length > TEXT_CHARACTERS_MAX) {
    throw badInput(place, `${text.length} characters`, `at most ${TEXT_CHARACTERS_MAX}`);
  }
  const sections: { type: string; name: string | undefined; at: number; options: UciValue[] }[] = [];
  for (const line of statements(text, place)) {
    const where = `${place}:${lineOf(text, line[0]!.at)}`;
    const [keyword, name, value] = line as [Word, Word?, Word?];
    switch (keyword.text) {
      case "package":
        break;
      case "config":
        if (!name || line.length > 3 || !TYPE.test(name.text)) throw badInput(where, shown(line), "config TYPE 'NAME'");
        if (value && !NAME.test(value.text)) throw badInput(where, shown(line), "a name of letters, digits and _");
        sections.push({ type: name.text, name: value?.text, at: keyword.at, options: [] });
        break;
      case "option":
      case "list": {
        const section = sections.at(-1);
        if (!section) throw badInput(where, `"${keyword.text}" before any section`, "config TYPE 'NAME' first");
        if (!name || !value || line.length > 3 || !NAME.test(name.text)) {
          throw badInput(where, shown(line), `${keyword.text} NAME 'VALUE'`);
        }
        put(section.options, keyword.text === "list", name, value);
        break;
      }
      default:
        throw badInput(where, shown(line), "config, option, list or a comment (#)");
    }
  }
  return sections;
}

function put(options: UciValue[], isList: boolean, name: Word, value: Word): void {
  const index = options.findIndex((option) => option.name === name.text);
  const before = options[index];
  const values = isList && before?.isList ? [...before.values, value] : [value];
  const next = { name: name.text, isList, at: name.at, values };
  if (index < 0) options.push(next);
  else options[index] = next;
}

export function lineOf(text: string, at: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i >= 0 && i < at; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

function shown(line: readonly Word[]): string {
  return `"${line.map(({ text }) => text).join(" ")}"`.replace(/\p{Cc}/gu, " ");
}

/** Lines of words. A quoted word may hold line breaks; `\` takes the next character as it is, but not within '...'. */
function* statements(text: string, place: string): Generator<Word[]> {
  let line: Word[] = [];
  let i = 0;
  while (i < text.length) {
    const c = text[i]!;
    if (c === "\n" || c === ";") {
      if (line.length) yield line;
      line = [];
      i++;
    } else if (c === "#") {
      const end = text.indexOf("\n", i);
      i = end < 0 ? text.length : end;
    } else if (/\s/.test(c)) {
      i++;
    } else {
      const word = readWord(text, i, place);
      line.push({ text: word.text, at: i });
      i = word.end;
    }
  }
  if (line.length) yield line;
}

function readWord(text: string, from: number, place: string): { text: string; end: number } {
  let word = "";
  let quote = "";
  let i = from;
  for (; i < text.length; i++) {
    const c = text[i]!;
    if (quote === "" && /[\s;#]/.test(c)) break;
    if (c === quote) quote = "";
    else if (quote === "" && (c === "'" || c === '"')) quote = c;
    else if (c === "\\" && quote !== "'") word += text[++i] ?? "";
    else word += c;
  }
  if (quote !== "")
    throw badInput(`${place}:${lineOf(text, from)}`, `a quote ${quote} that nobody closes`, `${quote}...${quote}`);
  return { text: word, end: i };
}

/** As `uci export` writes a value. */
export function uciQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
