/** Writes the table of docs/metrics.md from src/control/metrics/table.ts. */
import { readFileSync, writeFileSync } from "node:fs";
import { metricsTable } from "../src/control/metrics/document.ts";

const path = "docs/metrics.md";
const [before] = readFileSync(path, "utf8").split(/^<!-- table -->\n/m);
writeFileSync(path, `${before}<!-- table -->\n${metricsTable()}<!-- end of table -->\n`);
