/** What a probe may ask of the machine. Whatever is not there is undefined: an access point has few of these. */
import type { Platform } from "../../platform/platform.ts";
import { linesOf, type Run } from "../programs.ts";
import type { PortStatus } from "../status.ts";
import { parseUci, type UciSection } from "../uci/parse.ts";

export interface Machine {
  readonly ports: readonly PortStatus[];
  /** Who judges packets, in roamwalld's words; empty: not known. */
  readonly datapath: string;
  /** Where hostapd is to send its logins; undefined: no relay is configured. */
  readonly relay: string | undefined;
  /** Arrivals are taken from hostapd, and it cannot be heard. */
  readonly isDeafToHostapd: boolean;
  read(path: string): string | undefined;
  readonly run: Run;
  /** Sections of `/etc/config/NAME`. */
  uci(name: string): readonly UciSection[];
}

type Parts = Pick<Machine, "ports" | "datapath" | "relay" | "isDeafToHostapd">;

export function machineOf({ files, spawn, clock }: Pick<Platform, "files" | "spawn" | "clock">, parts: Parts): Machine {
  const read = (path: string) => {
    try {
      return files.readText(path);
    } catch {
      return undefined;
    }
  };
  return {
    ...parts,
    read,
    run: (command, ...args) => linesOf({ spawn, clock }, command, args),
    uci(name) {
      const path = `/etc/config/${name}`;
      try {
        return parseUci(read(path) ?? "", path);
      } catch {
        // Another package's fault is not ours to tell.
        return [];
      }
    },
  };
}

export function optionOf(section: UciSection, name: string): string | undefined {
  return section.options.find((option) => option.name === name)?.values.at(-1)?.text;
}

export function isOn(section: UciSection, name: string): boolean {
  return ["1", "on", "true", "yes", "enabled"].includes(optionOf(section, name) ?? "");
}
