/** Writes the tables of docs/settings.md and docs/uci.md and OpenWrt's default configuration and LuCI's form from the tables in src/control. */
import { readFileSync, writeFileSync } from "node:fs";
import { settingsTable } from "../src/control/settings-table.ts";
import { luciOptions, uciDefaultConfig, uciTables } from "../src/control/uci/text.ts";

function fill(path: string, table: string): void {
  const [before, , after] = readFileSync(path, "utf8").split(/^(?:<!-- table -->|<!-- end of table -->)\n/m);
  writeFileSync(path, `${before}<!-- table -->\n${table}<!-- end of table -->\n${after}`);
}

fill("docs/settings.md", settingsTable());
fill("docs/uci.md", uciTables());
writeFileSync("openwrt/roamwall/files/roamwall.config", uciDefaultConfig());
writeFileSync("openwrt/luci-app-roamwall/htdocs/luci-static/resources/roamwall/options.js", luciOptions());
