import { expect, it } from "vitest";
import { adviceOn } from "./advice.ts";
import { parsePolicy } from "./policy.ts";

const adviceFor = (rules: string, more = "unknown: r\n") =>
  adviceOn(parsePolicy(`services: {own: [udp/53, udp/67]}\nroles: {r: {rules: [${rules}]}}\n${more}`, "p")).map(
    ({ text }) => text.split(":")[0],
  );
const DNS = "no DNS";
const DHCP = "no DHCP to the server itself";

it.each([
  ["rules without the network's own services", "out tcp/443 to any", [DNS, DHCP]],
  ["DNS alone", "out tcp/443 to any, out udp/53 to 10.0.0.1", [DHCP]],
  ["both by a name", "out tcp/443 to any, out own to 10.0.0.1", []],
  ["both by a wildcard", "out udp/* to any", []],
  ["everything", "out any to any", []],
  ["a server that opens nothing", "in tcp/22 from any", []],
  ["DNS over TCP only", "out tcp/53 to any, out udp/67 to any", [DNS]],
])("warns of %s", (_, rules, texts) => {
  expect(adviceFor(rules)).toEqual(texts);
});

it("warns when nobody has a role", () => {
  expect(adviceFor("out any to any", "")).toEqual(["nobody has a role"]);
});
