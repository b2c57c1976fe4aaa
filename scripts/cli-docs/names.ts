/** What `--json` answers, as the types say: the names of fields by command, which docs/cli.md lists for scripts. */
import ts from "typescript";

/** A command, and the type of its one JSON value; of `monitor` and `trace` it is the type of each line. */
const ANSWERS: readonly (readonly [command: string, file: string, type: string])[] = [
  ["status", "status.ts", "AgentStatus"],
  ["clients", "status.ts", "ClientLine"],
  ["client", "client-view.ts", "ClientView"],
  ["why", "why.ts", "WhyAnswer"],
  ["neighbours", "../replication/status.ts", "NeighbourStatus"],
  ["table", "table-view.ts", "TableView"],
  ["denied", "verdict.ts", "DeniedPacket"],
  ["mode", "modes.ts", "ModesAnswer"],
  ["sessions", "../radius/radius.ts", "SessionLine"],
  ["doctor", "doctor/world.ts", "Finding"],
  ["monitor", "verdict.ts", "Verdict"],
];
const ROOM = "src/control";
const OPTIONAL = "?";

/** A field: `fields` is empty for what has no names of its own. */
interface Field {
  readonly isOptional: boolean;
  readonly isList: boolean;
  readonly fields: Fields;
}
export type Fields = ReadonlyMap<string, Field>;

/** By command. A second or two: the compiler reads the agent. */
export function answersByType(): ReadonlyMap<string, Fields> {
  const { config } = ts.readConfigFile("tsconfig.json", ts.sys.readFile);
  const { compilerOptions } = config;
  const { options } = ts.convertCompilerOptionsFromJson({ ...compilerOptions, types: [] }, ".");
  const paths = ANSWERS.map(([, file]) => ts.sys.resolvePath(`${ROOM}/${file}`));
  const program = ts.createProgram([...new Set(paths)], options);
  const checker = program.getTypeChecker();
  return new Map(
    ANSWERS.map(([command, , name], i) => {
      const source = program.getSourceFile(paths[i]!);
      const symbol =
        source && checker.getExportsOfModule(checker.getSymbolAtLocation(source)!).find((one) => one.name === name);
      if (!symbol) throw new Error(`${paths[i]}: no exported type ${name}`);
      return [command, fieldsOf(checker, checker.getDeclaredTypeOfSymbol(symbol))];
    }),
  );
}

function fieldsOf(checker: ts.TypeChecker, type: ts.Type): Fields {
  // Counts by name, as of denials by reason: the names are data.
  if (!hasNames(checker, type)) return new Map();
  return new Map(
    checker.getPropertiesOfType(type).map((property) => {
      const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
      const whole = checker.getNonNullableType(checker.getTypeOfSymbol(property));
      const isList = checker.isArrayLikeType(whole);
      const one = isList ? checker.getNonNullableType(checker.getIndexTypeOfType(whole, ts.IndexKind.Number)!) : whole;
      return [property.name, { isOptional, isList, fields: fieldsOf(checker, one) }];
    }),
  );
}

function hasNames(checker: ts.TypeChecker, type: ts.Type): boolean {
  // A string with a brand is an intersection, too.
  const parts = type.isIntersection() ? type.types : [type];
  if (parts.some(({ flags }) => (flags & ts.TypeFlags.Object) === 0)) return false;
  const isRecord =
    type.aliasSymbol?.name === "Record" || type.aliasTypeArguments?.some((one) => one.aliasSymbol?.name === "Record");
  return !isRecord && checker.getIndexInfosOfType(type).length === 0;
}

/** The rows of the document's table. */
export function namesTable(answers: ReadonlyMap<string, Fields>): string {
  const rows = [...answers].map(([command, fields]) => `| \`${command}\` | ${namesOf(fields).join(", ")} |\n`);
  return `| command | fields; \`[]\`: of each member of a list; \`${OPTIONAL}\`: not always there |\n|---|---|\n${rows.join("")}`;
}

function namesOf(fields: Fields, path = ""): string[] {
  return [...fields].flatMap(([name, { isOptional, isList, fields: inner }]) => {
    const own = `${path}${name}${isList ? "[]" : ""}${isOptional ? OPTIONAL : ""}`;
    return inner.size === 0 ? [own] : namesOf(inner, `${own}.`);
  });
}

/** Names that one of two tables lacks: `lost` are those that scripts may rely on. */
export function differences(document: string, table: string): { lost: string[]; added: string[] } {
  const [before, now] = [listed(document), listed(table)];
  const beyond = (names: Set<string>, others: Set<string>) => [...names].filter((name) => !others.has(name));
  return { lost: beyond(before, now), added: beyond(now, before) };
}

function listed(text: string): Set<string> {
  const rows = [...text.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)];
  return new Set(rows.flatMap(([, command, names]) => names!.split(", ").map((name) => `${command}: ${name}`)));
}

/** Where a value is not what its type says: a field that no type has, or that is missing. */
export function unlike(value: unknown, fields: Fields, path = ""): string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((member) => unlike(member, fields, path)))];
  if (typeof value !== "object" || value === null || fields.size === 0) return [];
  const missing = [...fields].filter(([name, { isOptional }]) => !isOptional && !(name in value));
  const members = Object.entries(value).flatMap(([name, member]) => {
    const field = fields.get(name);
    return field ? unlike(member, field.fields, `${path}${name}.`) : [`${path}${name}: of no type`];
  });
  return [...missing.map(([name]) => `${path}${name}: missing`), ...members];
}
