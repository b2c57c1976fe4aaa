import type { FakeDatapath } from "../../src/datapath/fake.ts";
import { Audit } from "../../src/proxy/audit.ts";
import { Mirror } from "../../src/proxy/mirror.ts";
import { PublishedCache } from "../../src/proxy/published.ts";
import { Roam } from "../../src/proxy/roam.ts";
import { Challenges } from "../../src/replication/challenges.ts";
import { Gaps } from "../../src/replication/gaps.ts";
import { Greeter } from "../../src/replication/greeter.ts";
import { Repairs } from "../../src/replication/repairs.ts";
import type { AccessPoint } from "./access-point.ts";
import type { Patches } from "./simulation.ts";

/** What a reasonable first design would have done, and the invariant that it breaks. */
export interface Control {
  readonly invariant: string;
  /** The rule that it ignores. */
  readonly rule: string;
  readonly patches?: Patches;
  /** Of the acts that provoke it, instead of those in `ACTS`. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Patches what all APs share; returns what puts it back. */
  install?(): () => void;
}

/** Replaces a method of a class until the answer is called. */
function replace<C extends { prototype: object }>(of: C, name: string, make: (before: Method) => Method): () => void {
  const methods = of.prototype as Record<string, Method>;
  const before = methods[name]!;
  methods[name] = make(before);
  return () => {
    methods[name] = before;
  };
}

// biome-ignore lint/suspicious/noExplicitAny: private methods of any signature are replaced here
type Method = (this: any, ...args: any[]) => any;

/** Changes each command of an AP's datapath that goes by this name. */
function commands(name: keyof FakeDatapath, make: (before: Method, ap: AccessPoint) => Method): Patches {
  return {
    table: (ap) => {
      const datapath = ap.datapath as unknown as Record<string, Method>;
      datapath[name] = make(datapath[name]!.bind(ap.datapath), ap);
    },
  };
}

/** Several at once. */
function all(...installed: readonly (() => void)[]): () => void {
  return () => {
    for (const undo of installed) undo();
  };
}

/** Digests find what the order of versions lost: a design without versions had none either. */
function withoutDigests(): () => void {
  return replace(Greeter, "compareDigest", () => () => {});
}

export const CONTROLS: Readonly<Record<string, Control>> = {
  snapshotStampedAtEnd: {
    invariant: "I1",
    rule: "A.13: a snapshot's chunk has the ver of before it was read",
    weights: { agent: 24, talk: 60, weather: 20 },
    install: () =>
      all(
        withoutDigests(),
        replace(
          Mirror,
          "applySnapshot",
          (before) =>
            function (at, cell, owner) {
              before.call(this, at, cell, owner, this.vers[at]);
            },
        ),
      ),
  },
  repairsMoved: {
    invariant: "I1",
    rule: "A.1: a repair carries what was published in its range, also for the second who asks",
    install: () =>
      all(
        withoutDigests(),
        replace(
          Repairs,
          "send",
          (before) =>
            function (answer, chunk, to) {
              return before.call(this, answer, { ...chunk, items: [] }, to);
            },
        ),
      ),
  },
  epochUnchallenged: {
    invariant: "I1",
    rule: "A.15: an epoch is believed when it answers a challenge",
    weights: { agent: 16, replay: 60 },
    install: () => replace(Challenges, "accepts", () => () => true),
  },
  contentInEvents: {
    invariant: "I2",
    rule: "A.9: events say where, the cell is read when it is sent",
    // Reading the table again finds what events got wrong: who trusts events does not.
    install: () => replace(Audit, "look", () => async () => {}),
    patches: {
      agent: (ap, { world, random }) => {
        const { handlers } = ap.replicator.proxy;
        const note = handlers.cells;
        // By two paths, of which one is slower: what is older may come last.
        handlers.cells = (coordinates, cells, owners, count) => {
          const [a, b, c] = [coordinates.slice(0, count), cells.slice(0, count), owners.slice(0, count)];
          world.after(random.chance(0.3) ? 400 : 0, () => {
            note(a, b, c, count);
            ap.touched();
          });
        };
      },
    },
  },
  refreshesForgotten: {
    invariant: "I2",
    rule: "A.12: what was published may not fall far behind the table",
    install: () =>
      replace(
        PublishedCache,
        "urgency",
        (before) =>
          function (at, cell, owner) {
            return this.cells[at] >>> 6 === cell >>> 6 ? 0 : before.call(this, at, cell, owner);
          },
      ),
  },
  noAdoption: {
    invariant: "I3",
    rule: "A.4: what no packet promotes is adopted",
    patches: commands("adopt", () => () => {}),
    // Nor is anybody asked whom the last AP before did not name.
    install: () => replace(Roam, "gather", () => () => {}),
  },
  shortensAtClaim: {
    invariant: "I3",
    rule: "A.5: a claim cuts nothing",
    install: () =>
      replace(
        Roam,
        "yieldTo",
        (before) =>
          function (context, ...rest) {
            before.call(this, context, ...rest);
            this.parts.datapath.shortenClient(context.slot, 1);
          },
      ),
  },
  noTombstones: {
    invariant: "I4",
    rule: "A.19: a revocation is a tombstone",
    patches: {
      agent: (ap) => {
        const { proxy } = ap.replicator;
        const revoke = proxy.rights.revoke.bind(proxy.rights);
        proxy.rights.revoke = (mac) => {
          revoke(mac);
          const context = proxy.contexts.get(mac);
          if (!context?.rights) return;
          context.rights = { ...context.rights, serial: 0, revoked: false, role: "" };
          proxy.rights.tombstones.remove(mac);
        };
      },
    },
  },
  epochKept: {
    invariant: "I5",
    rule: "an epoch is one life of an agent",
    patches: {
      agent: (ap) => {
        const { outbox } = ap.replicator as unknown as {
          outbox: { beginEpoch(epoch: Uint8Array, keySlot: number): void };
        };
        const begin = outbox.beginEpoch.bind(outbox);
        outbox.beginEpoch = (_epoch, keySlot) => begin(new Uint8Array(16).fill(ap.id), keySlot);
      },
    },
  },
  timersCopied: {
    invariant: "I6",
    rule: "A.11: what is adopted does not outlive what is left at its source",
    patches: commands(
      "adopt",
      (adopt) => (slot, mark, hi, lo, codes) =>
        adopt(
          slot,
          mark,
          hi,
          lo,
          Uint8Array.from(codes as Uint8Array, (code) => code + 1),
        ),
    ),
  },
  mirrorsDoNotAge: {
    invariant: "I6",
    rule: "A.11: mirrors age by their source's ticks, or by our clock",
    install: () =>
      replace(
        Mirror,
        "advance",
        (before) =>
          function (fast, slow) {
            if (this.ticks.fast === 0) before.call(this, fast, slow);
          },
      ),
  },
  repairTakesVer: {
    invariant: "I7",
    rule: "A.1: a repair takes no ver of its own",
    install: () =>
      replace(
        Repairs,
        "answer",
        (before) =>
          function (...args) {
            before.apply(this, args);
            this.stream.ver++;
          },
      ),
  },
  emptyRangeUnanswered: {
    invariant: "I7",
    rule: "A.1: a repair closes its range, even when nothing is left of it",
    install: () => {
      const undo = [
        replace(
          Repairs,
          "send",
          (before) =>
            function (answer, chunk, to) {
              return chunk.items.length === 0 ? true : before.call(this, answer, chunk, to);
            },
        ),
        // The naive asker knows of no end.
        replace(
          Gaps,
          "takeDue",
          (before) =>
            function (...args) {
              const due = before.apply(this, args);
              for (const gap of due) gap.tries = 1;
              return due;
            },
        ),
      ];
      return () => {
        for (const one of undo) one();
      };
    },
  },
};
