/** What the platform's daemons say of this machine, as far as a configuration needs it. */
import type { Platform } from "../../platform/platform.ts";
import { linesOf } from "../programs.ts";
import type { Surroundings } from "./read.ts";

/** Fields of `ubus call network.wireless status`, by radio. */
interface Radio {
  readonly interfaces?: readonly { readonly ifname?: string; readonly config?: { readonly mode?: string } }[];
}

/** Fields of `ubus call network.interface dump`. */
interface Networks {
  readonly interface?: readonly {
    readonly interface?: string;
    readonly "ipv4-address"?: readonly { readonly address?: string }[];
    readonly "ipv6-address"?: readonly { readonly address?: string }[];
  }[];
}

/** Where there is no ubus, or it does not answer, nothing is known. */
export async function lookAround(platform: Pick<Platform, "spawn" | "clock">): Promise<Surroundings> {
  const radios = (await ask<Record<string, Radio>>(platform, "network.wireless", "status")) ?? {};
  const networks = (await ask<Networks>(platform, "network.interface", "dump"))?.interface ?? [];
  const interfaces = Object.values(radios).flatMap((radio) => radio.interfaces ?? []);
  return {
    wireless: interfaces.flatMap(({ ifname, config }) => (config?.mode === "ap" && ifname ? [ifname] : [])),
    address(name) {
      const network = networks.find((one) => one.interface === name);
      return (network?.["ipv4-address"]?.[0] ?? network?.["ipv6-address"]?.[0])?.address;
    },
  };
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
