/** Stations that hostapd has let in, as it tells on OpenWrt's ubus. Where ubus or hostapd is missing, it is asked for again. */
import { type Mac, parseMac } from "../base/mac.ts";
import type { Platform, Process } from "../platform/platform.ts";
import { linesOf } from "./programs.ts";

const ROOM = "hostapd";
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 60_000;
/** A reload takes objects away and puts others there, one after the other. */
const SETTLE_MS = 300;
const OBJECT = /^hostapd\.[\w.@+-]+$/;

/**
 * hostapd tells of every probe, too, and may wait for whoever listens (for 100 ms, if another daemon asked for that). `ubus` must
 * therefore never wait for us: a shell takes all lines at once and hands on the few that count (awk and grep keep lines back until
 * they have many). When it ends, all do; a plain pipe would leave a `ubus` behind that has nothing to say any more.
 */
const SUBSCRIBE = `pipe=/tmp/roamwall-ubus.$$
mkfifo -m 600 "$pipe" || exit 1
ubus subscribe "$@" >"$pipe" &
ubus=$!
while IFS= read -r line; do
	case $line in *'"sta-authorized"'*) printf '%s\\n' "$line" ;; esac
done <"$pipe" &
trap 'kill $ubus' TERM
wait $!
kill $ubus 2>/dev/null
rm -f "$pipe"`;

export interface Station {
  readonly mac: Mac;
  /** The BSS's netdev. */
  readonly netdev: string;
  /** It roamed by 802.11r: no login was seen here. */
  readonly isFast: boolean;
}

export class HostapdEvents {
  /** Objects that are listened to; empty: nothing is heard now. */
  private objects: readonly string[] = [];
  private subscription: Process | undefined;
  private listener: Process | undefined;
  private cancel = () => {};
  private retryMs = RETRY_FIRST_MS;
  private isStopped = false;
  private told = "";

  constructor(
    private readonly platform: Pick<Platform, "spawn" | "clock" | "log">,
    private readonly authorized: (station: Station) => void,
  ) {}

  get isDeaf(): boolean {
    return this.objects.length === 0;
  }

  start(): void {
    // hostapd's objects come and go with their BSS, and `ubus subscribe` does not say so.
    const listener = this.platform.spawn("ubus", ["listen", "ubus.object.add", "ubus.object.remove"], {
      line: (text) => {
        if (text.includes('"hostapd.')) this.again(SETTLE_MS);
      },
      exit: () => {
        if (this.listener === listener) this.listener = undefined;
        this.again(this.nextRetryMs());
      },
    });
    this.listener = listener;
    void this.subscribe();
  }

  stop(): void {
    this.isStopped = true;
    this.cancel();
    this.listener?.stop();
    this.subscription?.stop();
  }

  private again(afterMs: number): void {
    this.cancel();
    if (this.isStopped) return;
    this.cancel = this.platform.clock.after(afterMs, () => {
      if (this.listener) void this.subscribe();
      else this.start();
    });
  }

  private async subscribe(): Promise<void> {
    const objects = ((await linesOf(this.platform, "ubus", ["list", "hostapd.*"])) ?? []).filter((name) =>
      OBJECT.test(name),
    );
    if (this.isStopped) return;
    this.objects = objects;
    this.say(
      objects.length
        ? `listening to ${objects.join(", ")}`
        : "no hostapd on ubus: the first frame of a station says that it came",
    );
    const before = this.subscription;
    this.subscription = objects.length ? this.open(objects) : undefined;
    // After the new one, so that nothing is missed between them; what is heard twice does no harm.
    before?.stop();
  }

  private open(objects: readonly string[]): Process {
    const subscription = this.platform.spawn("sh", ["-c", SUBSCRIBE, "sh", ...objects], {
      line: (text) => {
        this.retryMs = RETRY_FIRST_MS;
        const station = readStation(text);
        if (station) this.authorized(station);
      },
      exit: () => {
        if (this.subscription !== subscription) return;
        this.subscription = undefined;
        this.objects = [];
        this.again(this.nextRetryMs());
      },
    });
    return subscription;
  }

  private nextRetryMs(): number {
    const now = this.retryMs;
    this.retryMs = Math.min(now * 2, RETRY_MOST_MS);
    return now;
  }

  /** Once, not with every attempt. */
  private say(text: string): void {
    if (text !== this.told) this.platform.log.info(ROOM, text);
    this.told = text;
  }
}

/** `{ "sta-authorized": {"address":"02:..","ifname":"phy0-ap0","auth-alg":"ft"} }`; undefined for anything else. */
export function readStation(line: string): Station | undefined {
  try {
    const { address, ifname, "auth-alg": algorithm } = JSON.parse(line)["sta-authorized"];
    if (typeof ifname !== "string") return undefined;
    return { mac: parseMac(address, "hostapd"), netdev: ifname, isFast: algorithm === "ft" };
  } catch {
    return undefined;
  }
}
