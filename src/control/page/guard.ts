/** Who may see what the page shows. */
import type { Crypto } from "../../platform/platform.ts";
import type { Request } from "./http.ts";

export interface GuardOptions {
  /** Absent: whoever can reach the address, which then is this machine's own. */
  readonly token?: string;
  /** Names by which the page may be asked for, beside addresses and `localhost`. */
  readonly names: readonly string[];
}

export class Guard {
  private readonly names: ReadonlySet<string>;
  private readonly digest: Uint8Array | undefined;

  constructor(
    { token, names }: GuardOptions,
    private readonly crypto: Pick<Crypto, "sha256">,
  ) {
    this.names = new Set(["localhost", ...names.map((name) => name.toLowerCase())]);
    this.digest = token === undefined ? undefined : this.digestOf(token);
  }

  /**
   * A web site can give its own name this AP's address (DNS rebinding), and its scripts may then read what that name
   * answers. They cannot make the browser say another name than theirs: so names are listed, and addresses are no names.
   */
  isHostKnown({ headers }: Request): boolean {
    const host = headers.get("host") ?? "";
    const name = host.replace(/:\d{1,5}$/, "").toLowerCase();
    return this.names.has(name) || /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
  }

  isAllowed({ headers }: Request): boolean {
    if (!this.digest) return true;
    const given = /^Bearer ([\x21-\x7e]{1,512})$/.exec(headers.get("authorization") ?? "")?.[1];
    return given !== undefined && isEqual(this.digestOf(given), this.digest);
  }

  private digestOf(text: string): Uint8Array {
    return this.crypto.sha256(new TextEncoder().encode(text));
  }
}

/** Of digests, so that neither time nor length says how much of a guess was right. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
