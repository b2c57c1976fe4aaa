/** What an agent's processor time is with its status page closed, and open in a Chromium: `PID URL [SECONDS]`. */
import { readFileSync } from "node:fs";
import { Chromium } from "../test/page/chromium.ts";

const [pid, url, seconds = "30"] = process.argv.slice(2);
if (pid === undefined || url === undefined) {
  console.error(
    "usage: node scripts/ts.mjs scripts/page-cost.ts PID URL [SECONDS]   (PID of the agent, URL of its page)",
  );
  process.exit(2);
}

/** Of /proc/PID/stat, in seconds. */
function used(): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function share(): Promise<string> {
  const before = used();
  await wait(Number(seconds) * 1_000);
  return `${((100 * (used() - before)) / Number(seconds)).toFixed(2)} %`;
}

console.log(`closed: ${await share()} of a processor`);
const chromium = new Chromium();
const tab = await chromium.open({ width: 1_200, height: 900 });
await tab.go(url);
await tab.until("performance.getEntriesByName('roamwall-first-view').length > 0");
console.log(`open: ${await share()} of a processor`);
await chromium.close();
