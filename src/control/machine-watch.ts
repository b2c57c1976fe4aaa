/** What the agent hears of its machine beside the datapath: stations that hostapd let in, and what could bypass the filter. */
import type { Platform } from "../platform/platform.ts";
import { HostapdEvents } from "./hostapd-events.ts";
import { machineOf } from "./risks/machine.ts";
import type { Risk } from "./risks/risk.ts";
import { RiskWatch } from "./risks/watch.ts";
import type { Session } from "./session.ts";
import type { Settings } from "./settings.ts";

export interface MachineWatchParts {
  readonly platform: Platform;
  readonly settings: Settings;
  /** Undefined while roamwalld is away. */
  session(): Session | undefined;
}

export class MachineWatch {
  private readonly hostapd: HostapdEvents | undefined;
  private readonly watch: RiskWatch;

  constructor(parts: MachineWatchParts) {
    const { platform, settings } = parts;
    this.hostapd =
      settings.arrival === "hostapd"
        ? new HostapdEvents(platform, ({ mac, netdev }) => parts.session()?.stationCame(mac, netdev))
        : undefined;
    this.watch = new RiskWatch({
      clock: platform.clock,
      log: platform.log,
      machine: () =>
        machineOf(platform, {
          ports: parts.session()?.portList() ?? [],
          datapath: parts.session()?.datapathText ?? "",
          relay: settings.radius?.listen.address,
          isDeafToHostapd: this.hostapd?.isDeaf ?? false,
        }),
    });
  }

  start(): void {
    this.hostapd?.start();
    this.watch.start();
  }

  stop(): void {
    this.hostapd?.stop();
    this.watch.stop();
  }

  portsChanged(): void {
    this.watch.changed();
  }

  /** The last look's. */
  get risks(): readonly Risk[] {
    return this.watch.risks;
  }

  /** Now. */
  look(): Promise<readonly Risk[]> {
    return this.watch.look();
  }
}
