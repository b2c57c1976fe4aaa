/** What the platform's daemons say of this machine, as far as a configuration needs it. */
import type { Platform } from "../../platform/platform.ts";
import { linesOf, type Run } from "../programs.ts";
import type { Surroundings } from "./read.ts";

/** Fields of `ubus call network.interface dump`. */
interface Networks {
  readonly interface?: readonly {
    readonly interface?: string;
    readonly "ipv4-address"?: readonly { readonly address?: string }[];
    readonly "ipv6-address"?: readonly { readonly address?: string }[];
  }[];
}

/** Where a program is not there or does not answer, nothing is known. */
export async function lookAround(platform: Pick<Platform, "spawn" | "clock">): Promise<Surroundings> {
  const networks = (await ask<Networks>(platform, "network.interface", "dump"))?.interface ?? [];
  return {
    wireless: await accessPointInterfaces((command, ...args) => linesOf(platform, command, args)),
    address(name) {
      const network = networks.find((one) => one.interface === name);
      return (network?.["ipv4-address"]?.[0] ?? network?.["ipv6-address"]?.[0])?.address;
    },
  };
}

/** AP interfaces as the kernel has them, those of single VLANs and stations (`AP/VLAN`) too. Where there is no `iw`: none. */
export async function accessPointInterfaces(run: Run): Promise<string[]> {
  const names: string[] = [];
  let name = "";
  for (const line of (await run("iw", "dev")) ?? []) {
    name = /^\s*Interface (\S+)$/.exec(line)?.[1] ?? name;
    if (/^\s*type AP(\/VLAN)?$/.test(line)) names.push(name);
  }
  return names;
}

async function ask<T>(
  platform: Pick<Platform, "spawn" | "clock">,
  object: string,
  method: string,
): Promise<T | undefined> {
  const lines = await linesOf(platform, "ubus", ["call", object, method]);
  try {
    return lines && (JSON.parse(lines.join("\n")) as T);
  } catch {
    return undefined;
  }
}
