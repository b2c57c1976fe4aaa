/** Writes the table of docs/settings.md from src/control/settings.ts. */
import { readFileSync, writeFileSync } from "node:fs";
import { settingsTable } from "../src/control/settings.ts";

const path = "docs/settings.md";
const [before, , after] = readFileSync(path, "utf8").split(/^(?:<!-- table -->|<!-- end of table -->)\n/m);
writeFileSync(path, `${before}<!-- table -->\n${settingsTable()}<!-- end of table -->\n${after}`);
