import type { Geometry } from "../bloom/geometry.ts";
import { WHOLE } from "../proxy/phase.ts";
import type { Hello } from "./records/hello.ts";

/**
 * How the clock of a neighbour's table runs beside ours, to a tick's 256th and a datagram's delay. While roamwalld is dead
 * its ticks stand still, and catch up later: its flows live on there for longer than we would think.
 */
export class SourceClock {
  private aheadAtFirstMs = Number.NaN;
  private aheadMs = Number.NaN;

  constructor(private readonly geometry: Geometry) {}

  /** Another table counts from anywhere. */
  begin(): void {
    this.aheadAtFirstMs = Number.NaN;
    this.aheadMs = Number.NaN;
  }

  heard({ fast, fastPhase }: Pick<Hello, "fast" | "fastPhase">, nowMs: number): void {
    // The largest phase means that it does not know either, until its next tick.
    if (fastPhase === WHOLE - 1) return;
    this.aheadMs = (fast + fastPhase / WHOLE) * this.geometry.fastTickMs - nowMs;
    if (Number.isNaN(this.aheadAtFirstMs)) this.aheadAtFirstMs = this.aheadMs;
  }

  /** What it gained on our clock since it was first heard; null: not known yet. */
  get gainedMs(): number | null {
    return Number.isNaN(this.aheadMs) ? null : this.aheadMs - this.aheadAtFirstMs;
  }
}
