/** The agent and the datapath: do they run, do they agree, is something about to overflow. */
import { adviceOn } from "../../policy/advice.ts";
import { type Check, held, problemOf } from "./world.ts";

const FILL_WARNS = 0.7;
/** Of cells per bucket: clients over their share open no more. */
const FILL_REFUSES = 0.8;

const one = (finding: string | undefined | false, remedy: string) => (finding ? [{ finding, remedy }] : []);

export const AGENT_CHECKS: readonly Check[] = [
  {
    id: "daemon",
    about: "roamwalld runs",
    severity: "high",
    find: ({ daemon }) =>
      one(
        problemOf(daemon) && `roamwalld: ${problemOf(daemon)}`,
        "start it (systemctl start roamwalld, or /etc/init.d/roamwall start); an eBPF filter goes on by the last policy meanwhile; without eBPF packets pass, or are dropped, as --fail says",
      ),
  },
  {
    id: "agent",
    about: "the agent runs",
    severity: "high",
    find: ({ agent }) =>
      one(
        problemOf(agent) && `agent: ${problemOf(agent)}`,
        "start it (roamwall agent --config FILE); packets are filtered by the last policy meanwhile, as long as roamwalld runs or the filter is eBPF; nothing is replicated",
      ),
  },
  {
    id: "version",
    about: "roamwalld and the agent are of one release",
    severity: "high",
    find: ({ daemon, abi }) => {
      const theirs = held(daemon)?.abi;
      return one(
        theirs !== undefined && theirs !== abi && `roamwalld speaks abi version ${theirs}, this release ${abi}`,
        "install both from one release, restart roamwalld first",
      );
    },
  },
  {
    id: "connection",
    about: "the agent has found roamwalld",
    severity: "high",
    find: ({ agent, daemon }) =>
      one(
        held(agent) &&
          !held(agent)?.datapath &&
          held(daemon) &&
          "the agent runs, roamwalld runs, and they have not met",
        "`daemon` of the settings and roamwalld's --socket must name one path; the agent's log says what it waits for",
      ),
  },
  {
    id: "policy-refused",
    about: "the policy in force is that of the file",
    severity: "high",
    find: ({ agent }) =>
      one(
        held(agent)?.policy.problem &&
          `the file was refused, the policy before it is in force: ${held(agent)?.policy.problem}`,
        "mend the file; it is read again when it changes",
      ),
  },
  {
    id: "policy-advice",
    about: "the policy gives somebody a role, and roles DNS and DHCP",
    severity: "low",
    find: ({ policy }) => {
      const source = held(policy)?.source;
      return source
        ? adviceOn(source).map(({ role, text, remedy }) => ({
            finding: role === undefined ? text : `role ${role}: ${text}`,
            remedy: role === undefined ? `add \`${remedy}\`` : `add the rule \`${remedy}\``,
          }))
        : [];
    },
  },
  {
    id: "monitor",
    about: "nothing passes that is denied",
    severity: "medium",
    find: ({ agent, policy }) => {
      const status = held(agent);
      const roles = [...(held(policy)?.roles ?? [])].filter(([, role]) => role.monitor).map(([name]) => name);
      const modes = status?.modes.filter(({ mode, scope }) => mode === "monitor" && scope !== "ap") ?? [];
      return [
        ...one(
          status?.mode === "monitor" && "this AP is in monitor mode: denials pass",
          "roamwall mode policy ap, and `mode: enforce` in the settings",
        ),
        ...one(
          roles.length > 0 && `the policy lets denials pass for role ${roles.join(", ")}`,
          "take `mode: monitor` out of the policy",
        ),
        ...modes.map(({ scope, name }) => ({
          finding: `${scope} ${name} is in monitor mode: its denials pass`,
          remedy: `roamwall mode policy ${scope} ${name}`,
        })),
      ];
    },
  },
  {
    id: "trial",
    about: "no policy is on trial",
    severity: "low",
    find: ({ agent }) => {
      const trial = held(agent)?.trial;
      return one(
        trial && `${trial.file} is on trial, back in ${trial.leftSeconds} s`,
        "roamwall confirm, or roamwall revert",
      );
    },
  },
  {
    id: "fill",
    about: "the table has room",
    severity: "medium",
    find: ({ table }) => {
      const share = table ? table.usedCells / table.cells : 0;
      const percent = Math.round(share * 100);
      const consequence = share >= FILL_REFUSES ? ": clients over their share open no more" : "";
      return one(
        share >= FILL_WARNS && `the table is ${percent} % full${consequence}`,
        "a larger one: roamwalld --table 4x2048x8/r26 (docs/sizing.md), on all APs; or `limits` for roles",
      );
    },
  },
  {
    id: "overflow",
    about: "no packet found the table full",
    severity: "high",
    find: ({ table }) =>
      one(
        table && table.full > 0 && `${table.full} packets were denied since buckets of the table were full`,
        "a larger table: roamwalld --table 4x2048x8/r26 (docs/sizing.md)",
      ),
  },
  {
    id: "budget",
    about: "no client opens more than it may",
    severity: "low",
    find: ({ table }) =>
      one(
        table && table.budget > 0 && `${table.budget} openings were refused by a limit`,
        "roamwall monitor --reason budget shows whose; raise `limits` of the role, or leave it: somebody scans",
      ),
  },
  {
    id: "events",
    about: "no event of the kernel was lost",
    severity: "low",
    find: ({ agent }) => {
      const lost = held(agent)?.datapath?.eventsLost ?? 0;
      return one(
        lost > 0 && `${lost} events found no room between kernel and roamwalld`,
        "none needed: what was lost is compared and mended; often, it is a storm of denials (roamwall monitor)",
      );
    },
  },
  {
    id: "rights",
    about: "no rights of a client were refused for lack of room",
    severity: "medium",
    find: ({ agent }) => {
      const rights = held(agent)?.datapath?.rights;
      const refused = (rights?.filtersRefused ?? 0) + (rights?.grantsRefused ?? 0);
      return one(
        refused > 0 && `${refused} rights or filters of clients found no room`,
        "roamwalld --clients N and --filter-memory, above what they are now",
      );
    },
  },
  {
    id: "cloned",
    about: "no two stations use one MAC",
    severity: "medium",
    find: ({ agent }) => {
      const roams = held(agent)?.datapath?.roams;
      return [
        ...one(
          (roams?.clonedMacs ?? 0) > 0 &&
            `${roams?.clonedMacs} clients went to and fro as two stations with one MAC do`,
          "roamwall clients shows where they are; authenticate stations (WPA, 802.1X)",
        ),
        ...one(
          (roams?.otherIdentity ?? 0) > 0 && `${roams?.otherIdentity} clients came back as somebody else`,
          "look at the RADIUS log: a MAC is used by two users",
        ),
      ];
    },
  },
  {
    id: "radius",
    about: "RADIUS servers answer, and know the secret",
    severity: "high",
    find: ({ agent }) => {
      const relays = held(agent)?.radius?.relays ?? [];
      const silent = relays.flatMap(({ servers }) => servers.filter(({ isUp }) => !isUp).map(({ server }) => server));
      const wrong = relays
        .flatMap(({ dropped }) => Object.keys(dropped))
        .filter((reason) => reason.startsWith("answer: "));
      return [
        ...[...new Set(silent)].map((server) => ({
          finding: `RADIUS server ${server} is silent`,
          remedy: "is it reachable, does it know this AP as a client (clients.conf), and is the secret the same?",
        })),
        ...one(
          wrong.length > 0 && `answers of a RADIUS server are not signed with our secret (${wrong[0]})`,
          "the same secret in radius.secret-file and in the server's clients.conf",
        ),
      ];
    },
  },
  {
    id: "radius-clock",
    about: "replayed CoA requests are known by their time",
    severity: "low",
    find: ({ agent }) =>
      one(
        held(agent)?.radius?.das?.isClockGood === false &&
          "the clock is not set: replayed CoA requests are known by memory alone",
        "a time server",
      ),
  },
  {
    id: "members",
    about: "this AP is on the list of members, and the list is in force",
    severity: "high",
    find: ({ agent }) => {
      const { isListed, problem, file, revision } = held(agent)?.members ?? {};
      return [
        ...one(
          isListed === false &&
            `this AP is not on the list of members (revision ${revision}) with its key: nobody hears it`,
          "roamwall identity show, then roamwall members add where the policy key is, and the new list to all APs (docs/keys.md)",
        ),
        ...one(problem && `the list of members was refused: ${problem}`, `roamwall members check ${file}`),
      ];
    },
  },
  {
    id: "broker",
    about: "the MQTT broker is reached",
    severity: "medium",
    find: ({ agent }) => {
      const mqtt = held(agent)?.mqtt;
      return one(
        mqtt && !mqtt.connected && `the broker ${mqtt.url} is away: ${mqtt.problem || "connecting"}`,
        "is it reachable, are user, password-file and certificates right? The kept policy is in force meanwhile",
      );
    },
  },
  {
    id: "page",
    about: "the status page is served",
    severity: "low",
    find: ({ agent }) => one(held(agent)?.page?.problem, "another address or port in `page` of the settings"),
  },
  {
    id: "engine",
    about: "the engine can do all that is asked of it",
    severity: "low",
    find: ({ agent }) =>
      (held(agent)?.engine.cannot ?? []).map((what) => ({
        finding: `this engine cannot: ${what}`,
        remedy: "Node, or do without",
      })),
  },
];
