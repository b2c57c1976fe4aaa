/** The neighbours: who is missing, and why. */
import type { NeighbourStatus } from "../../replication/status.ts";
import { type Check, held, type World } from "./world.ts";

const LOSS_WARNS = 0.1;
/** Who hears the group is written to alone every five seconds; before, a path that is silent says nothing. */
const BOTH_PATHS_SPEAK_MS = 15_000;
const one = (finding: string | undefined | false, remedy: string) => (finding ? [{ finding, remedy }] : []);

/** By what the reason says. */
const REMEDIES: readonly (readonly [cause: RegExp, remedy: string])[] = [
  [/list of members/, "if it is one of yours: roamwall members add, and the new list to all APs (docs/keys.md)"],
  [/identities/, "`identities` in the settings of all APs, or of none (docs/keys.md)"],
  [/version/, "one release on all APs"],
];
const SAME_KEY = "the same key file on all APs (roamwall key; docs/keys.md)";

const nameOf = ({ id, name }: NeighbourStatus) => `neighbour ${id}${name ? ` (${name})` : ""}`;

/** A check of each neighbour. */
function each(
  id: string,
  about: string,
  severity: Check["severity"],
  find: (neighbour: NeighbourStatus) => { readonly finding: string | undefined | false; readonly remedy: string },
): Check {
  return {
    id,
    about,
    severity,
    find: ({ neighbours }) =>
      neighbours.flatMap((neighbour) => {
        const { finding, remedy } = find(neighbour);
        return finding ? [{ finding: `${nameOf(neighbour)} ${finding}`, remedy }] : [];
      }),
  };
}

export const MESH_CHECKS: readonly Check[] = [
  {
    id: "mesh-socket",
    about: "the socket of the mesh is open",
    severity: "high",
    find: ({ agent }) => {
      const problem = held(agent)?.datapath?.linkProblem;
      return one(
        problem && `nothing is replicated: ${problem}`,
        "the address must be up and the port free; it is tried again every 2 s",
      );
    },
  },
  {
    id: "alone",
    about: "some neighbour is heard, if there is to be one",
    severity: "medium",
    find: aloneFindings,
  },
  {
    id: "unheard",
    about: "who speaks on the mesh link is understood",
    severity: "high",
    find: ({ agent }) =>
      (held(agent)?.datapath?.unheard ?? []).map(({ address, reason, count }) => ({
        finding: `${address} is not understood: ${reason} (${count} times)`,
        remedy: REMEDIES.find(([cause]) => cause.test(reason))?.[1] ?? SAME_KEY,
      })),
  },
  {
    id: "same-id",
    about: "no other AP has our number",
    severity: "high",
    find: ({ agent }) =>
      one(
        (held(agent)?.datapath?.replication.duplicateIds ?? 0) > 0 && "another AP uses our number",
        "give each AP its own `id`",
      ),
  },
  each("silent", "every neighbour speaks", "medium", ({ state, silentMs }) => ({
    finding: (state === "suspect" || state === "dead") && `is silent for ${Math.round(silentMs / 1000)} s`,
    remedy: "is it up, and the link between? Its clients keep their flows by what is mirrored of it",
  })),
  each("different", "neighbours have tables of our shape and key", "high", ({ compatible, state, differences }) => ({
    finding: !compatible && state !== "fresh" && `is not mirrored: ${differences.join("; ")}`,
    remedy: "the same --table and seed on all APs, the same release",
  })),
  each("no-mirror", "every neighbour has a mirror", "medium", ({ compatible, state, mirror }) => ({
    finding:
      compatible &&
      state === "alive" &&
      mirror < 0 &&
      "has no mirror: its clients are handed over when they come, which needs it to be there",
    remedy: "more memory for mirrors (replication.memory), or roamwalld --mirrors N",
  })),
  each("multicast", "multicast and unicast of neighbours come", "medium", (neighbour) => {
    const { groupHere, heardGroup, heardAlone, hearsGroup, knownForMs } = neighbour;
    const lacks = !heardGroup ? "by multicast" : !heardAlone ? "by unicast" : "";
    return {
      finding:
        neighbour.state === "alive" &&
        (knownForMs ?? 0) > BOTH_PATHS_SPEAK_MS &&
        groupHere &&
        (lacks ? `does not come ${lacks}` : !hearsGroup && "does not hear our multicast"),
      remedy:
        "IGMP snooping without a querier, or a firewall between: list it in replication.peers, or let UDP 4755 pass",
    };
  }),
  each("loss", "little is lost between neighbours", "medium", ({ lossHere, lossThere }) => ({
    finding:
      Math.max(lossHere, lossThere) >= LOSS_WARNS &&
      `loses ${Math.round(lossHere * 100)} % to here, ${Math.round(lossThere * 100)} % to there`,
    remedy: "a better mesh link; what is lost is repaired, later",
  })),
  each("behind", "neighbours keep up", "medium", ({ slow, slowHere }) => ({
    finding: (slow || slowHere) && "loses more than may be repaired, and waits for snapshots",
    remedy: "a better mesh link, or a higher replication.rate",
  })),
  each("mode", "neighbours repair what is lost", "low", ({ mode, state }) => ({
    finding:
      mode !== "ftfw" && mode !== "" && state === "alive" && `runs in mode ${mode}: what it loses it does not repair`,
    remedy: "replication.mode: ftfw",
  })),
];

/** Peers that are listed are to be there; a group may be waiting for its first neighbour. */
function aloneFindings({ settings, agent, neighbours }: World) {
  const { enabled, peers } = held(settings)?.replication ?? { enabled: false, peers: [] };
  if (!enabled || !held(agent)?.datapath || neighbours.length > 0 || peers.length === 0) return [];
  const listed = peers.map(({ address, port }) => `${address}:${port}`).join(", ");
  return one(
    `nobody answers of replication.peers (${listed})`,
    "are they up, is UDP between (port 4755), have they the same key file?",
  );
}
