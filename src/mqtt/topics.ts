/** Where what is said: `roamwall/MESH/...`. docs/mqtt.md lists them for people. */
export interface Topics {
  /** Retained: the signed policy of the whole mesh. */
  readonly policy: string;
  /** Retained: the signed list of members, where there are identities. */
  readonly members: string;
  /** Retained: whether the AP is there, what it runs. Its last will. */
  readonly status: string;
  /** Retained: what became of the newest policy document here. */
  readonly answer: string;
  readonly counters: string;
  readonly events: string;
}

export function topicsOf(mesh: string, ap: number): Topics {
  const own = `roamwall/${mesh}/ap/${ap}`;
  return {
    policy: policyTopic(mesh),
    members: `roamwall/${mesh}/members`,
    status: `${own}/status`,
    answer: `${own}/policy`,
    counters: `${own}/counters`,
    events: `${own}/events`,
  };
}

export function policyTopic(mesh: string): string {
  return `roamwall/${mesh}/policy`;
}

/** Of all APs of a mesh. */
export function everyAp(mesh: string, what: "status" | "policy" | "counters"): string {
  return `roamwall/${mesh}/ap/+/${what}`;
}

/** The AP's id in a topic of `everyAp`; undefined: not one. */
export function apOf(topic: string): number | undefined {
  const id = /^roamwall\/[^/]+\/ap\/(\d{1,5})\/[a-z]+$/.exec(topic)?.[1];
  return id === undefined ? undefined : Number(id);
}
