/** A mesh whose clients need expectations and walk, without packets: for what replication costs as it grows. */
import { macFromBytes } from "../../src/base/mac.ts";
import { codeFor } from "../../src/bloom/timer.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import { type Ap, type MeshSetup, SimulatedMesh, STARTS_WITHIN_MS } from "../../src/simulate/mesh.ts";

export type { Work } from "../../src/simulate/mesh.ts";

const ZONE = 1;
const EXPECTATION_LIFE_S = 240;

export interface ScaleSetup extends MeshSetup {
  readonly clientsPerAp: number;
  /** Mean time from one expectation of a client to its next. */
  readonly expectationEveryMs: number;
  /** Mean time that a client stays at an AP before it walks to one that the AP hears. */
  readonly staysMs: number;
}

interface Client {
  readonly mac: ReturnType<typeof macFromBytes>;
  at: Ap;
  /** Counts its stays: what an earlier one had planned is void. */
  stay: number;
}

export class ScaleMesh extends SimulatedMesh {
  private readonly lifeCode: number;

  constructor(private readonly setup: ScaleSetup) {
    super(setup);
    this.lifeCode = codeFor(EXPECTATION_LIFE_S, this.geometry);
    this.populate();
  }

  private populate(): void {
    const { clientsPerAp } = this.setup;
    for (let i = 0; i < this.aps.length * clientsPerAp; i++) {
      const mac = macFromBytes(Uint8Array.of(2, 0, i >>> 24, i >>> 16, i >>> 8, i));
      const client = { mac, at: this.aps[i % this.aps.length]!, stay: 0 };
      this.after(STARTS_WITHIN_MS * (1.5 + this.random()), () => this.arrive(client, client.at));
    }
  }

  private arrive(client: Client, ap: Ap): void {
    client.at = ap;
    const stay = ++client.stay;
    ap.datapath.handlers.arrived(client.mac, 0, ZONE);
    this.flushSoon(ap);
    this.arm(ap);
    this.laterOnce(this.setup.expectationEveryMs, () => this.expect(client, stay));
    this.laterOnce(this.setup.staysMs, () => this.walk(client));
  }

  /** Exponential: what comes has no memory. */
  private laterOnce(meanMs: number, run: () => void): void {
    this.after(-Math.log(1 - this.random()) * meanMs, run);
  }

  private walk(client: Client): void {
    const { hears } = client.at;
    this.work.roams++;
    this.arrive(client, this.aps[hears[Math.floor(this.random() * hears.length)]!]!);
  }

  /** A new expectation of the client, as long as it is served where it was. */
  private expect(client: Client, stay: number): void {
    if (client.stay !== stay) return;
    const ap = client.at;
    const { slot } = ap.replicator.proxy.contexts.get(client.mac) ?? {};
    if (slot !== undefined) {
      const bits = this.geometry.bucketBits + this.geometry.remainderBits;
      const hi = Math.floor(this.random() * 2 ** Math.max(0, bits - 32));
      const lo = Math.floor(this.random() * 2 ** 32);
      ap.datapath.sfr.table.insert(hi, lo, this.lifeCode, CONSTANTS.OP_MAX, slot, CONSTANTS.MARK_DIRTY);
      this.flushSoon(ap);
    }
    this.laterOnce(this.setup.expectationEveryMs, () => this.expect(client, stay));
  }
}
