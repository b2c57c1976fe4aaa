/** What the settings say of the status page. */
import { badInput } from "../base/errors.ts";
import { parseAddress } from "../base/ip.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Field } from "../policy/document.ts";
import { readEndpoint } from "./settings-forms.ts";

export interface PageSettings {
  readonly listen: Endpoint;
  readonly tokenFile: string | undefined;
  readonly names: readonly string[];
}

const PAGE_PORT = 9477;

export function readPageSettings(field: Field): PageSettings {
  const f = field.fields(["listen", "token-file", "names"]);
  if (!f.listen) throw badInput(field.place, "no listen", "listen: an address, as 127.0.0.1");
  const listen = readEndpoint(f.listen, PAGE_PORT);
  const tokenFile = f["token-file"]?.text("a path");
  if (tokenFile === undefined && !isLoopback(listen.address)) {
    throw badInput(
      f.listen.place,
      `${listen.address}, which others can reach`,
      "127.0.0.1 or ::1, or a `token-file` beside it",
    );
  }
  const names = f.names?.list("a list of names").map(readName) ?? [];
  return { listen, tokenFile, names };
}

function readName(field: Field): string {
  const name = field.text("a name");
  if (!/^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/.test(name)) {
    throw badInput(field.place, `"${name}"`, "a host name without port, as ap1.example");
  }
  return name;
}

function isLoopback(text: string): boolean {
  const { family, words } = parseAddress(text.replace(/%.*/, ""), "page.listen");
  if (family === 4) return words[0]! >>> 24 === 127;
  return words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 1;
}
