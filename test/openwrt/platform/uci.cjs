#!/usr/bin/node
// A stand-in for the `uci` program: get, set, delete, add_list, export, commit (changes are written at once).
const { readFileSync, writeFileSync, existsSync } = require("node:fs");
const words = process.argv.slice(2).filter((word) => word !== "-q");
const [verb, word = ""] = words;
const fileOf = (name) => `/etc/config/${name}`;

function read(name) {
  const sections = [];
  for (const line of readFileSync(fileOf(name), "utf8").split("\n")) {
    const [, kind, key, value = ""] = /^\s*(config|option|list)\s+(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
    const plain = value.replace(/^'(.*)'$/, "$1").replaceAll("'\\''", "'");
    if (kind === "config") sections.push({ type: key, name: plain, options: [] });
    else if (kind) sections.at(-1).options.push({ kind, key, value: plain });
  }
  return sections;
}

function text(sections) {
  const quote = (value) => `'${value.replaceAll("'", "'\\''")}'`;
  return sections
    .map(({ type, name, options }) => {
      const lines = options.map(({ kind, key, value }) => `\t${kind} ${key} ${quote(value)}\n`).join("");
      return `\nconfig ${type}${name ? ` ${quote(name)}` : ""}\n${lines}`;
    })
    .join("");
}

function main() {
  if (verb === "commit") return 0;
  if (verb === "export") {
    process.stdout.write(`package ${word}\n${text(read(word))}`);
    return 0;
  }
  const [path, ...rest] = word.split("=");
  const [name, section, key] = path.split(".");
  if (!existsSync(fileOf(name))) return 1;
  const sections = read(name);
  const found = sections.find((one) => one.name === section);
  const value = rest.join("=");
  const old = found?.options.filter((one) => one.key === key) ?? [];
  if (verb === "get") {
    if (!found || (key && old.length === 0)) return 1;
    console.log(key ? old.map((one) => one.value).join(" ") : found.type);
    return 0;
  }
  if (verb === "set" && !key) sections.push({ type: value, name: section, options: [] });
  else if (!found || (verb === "delete" && old.length === 0)) return 1;
  if (key && verb !== "add_list") found.options = found.options.filter((one) => one.key !== key);
  if (key && verb === "set") found.options.push({ kind: "option", key, value });
  if (key && verb === "add_list") found.options.push({ kind: "list", key, value });
  writeFileSync(fileOf(name), text(sections));
  return 0;
}

process.exitCode = main();
