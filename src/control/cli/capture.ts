import { fromHex } from "../../base/bytes.ts";
import { packetBlock, sectionBlocks } from "../../pcap/writer.ts";
import type { Verdict } from "../verdict.ts";
import { follow, SOCKET_OPTION } from "./ask.ts";
import { FILTER_OPTIONS, filterOf } from "./monitor.ts";
import { EXIT, readNumber, usage, type Verb } from "./verb.ts";

/** As the kernel gives them: enough for all headers. */
const SNAPSHOT_BYTES = 128;

export const captureVerb: Verb = {
  name: "capture",
  summary: `Writes denied packets as pcapng to standard output, with reason and remedy as each packet's comment.

  roamwall capture > denied.pcapng
  ssh ap1 roamwall capture | wireshark -k -i -

Of each packet the first ${SNAPSHOT_BYTES} bytes; at most 64 a second and client. It ends with Ctrl-C.`,
  arguments: [],
  options: [...FILTER_OPTIONS, { name: "count", value: "N", text: "end after so many" }, SOCKET_OPTION],
  async run(call) {
    const { terminal, options, platform } = call;
    if (terminal.isTerminal)
      throw usage("standard output is a terminal", "roamwall capture > FILE, or | wireshark -k -i -");
    let left = options.has("count") ? readNumber(options, "count", 1, 1e9) : Number.POSITIVE_INFINITY;
    const given = { ...filterOf(options), frames: true };
    const startMs = platform.clock.nowMs();
    const startS = platform.wallSeconds() ?? 0;
    const following = await follow<Verdict & { frame?: string }>(call, "monitor", given, (verdict, lost) => {
      if (lost > 0) terminal.err(`${lost} packets were not read in time, and are lost\n`);
      if (verdict.frame === undefined || left-- <= 0) return;
      const microseconds = (BigInt(startS) * 1_000n + BigInt(Math.round(platform.clock.nowMs() - startMs))) * 1_000n;
      terminal.outBytes(
        packetBlock({
          bytes: fromHex(verdict.frame),
          length: verdict.length,
          microseconds,
          comment: commentOf(verdict),
          isInbound: verdict.direction === "from client",
        }),
      );
      if (left <= 0) following.close();
    });
    terminal.outBytes(sectionBlocks("roamwall", SNAPSHOT_BYTES));
    terminal.onSignal("SIGINT", () => following.close());
    terminal.onSignal("SIGTERM", () => following.close());
    await following.over;
    return EXIT.ok;
  },
};

function commentOf({ verdict, reason, mac, role, rule, remedy }: Verdict): string {
  return `${verdict}: ${reason}; client ${mac}, role ${role ?? "none"}; would allow it: ${rule ?? remedy}`;
}
