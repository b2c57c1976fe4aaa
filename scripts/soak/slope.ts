/** Whether something grows, from samples that jump about. */
export interface Sample {
  readonly atS: number;
  readonly bytes: number;
}

export interface Growth {
  readonly bytesPerHour: number;
  /** Over the time that was looked at. */
  readonly bytes: number;
  readonly allowedBytes: number;
  readonly grows: boolean;
}

/** The first part of a run fills caches and compiles code. */
const SETTLING_SHARE = 0.25;
const SAMPLES_MIN = 8;

/**
 * The median of the slopes between all pairs of samples (Theil and Sen): a third of them may be anything. It grows if that
 * slope, over the whole time, makes more than `noiseBytes`, which is what two looks at the same heap differ by.
 */
export function growthOf(samples: readonly Sample[], noiseBytes: number): Growth {
  const start = samples[0]?.atS ?? 0;
  const end = samples.at(-1)?.atS ?? 0;
  const settled = samples.filter(({ atS }) => atS >= start + (end - start) * SETTLING_SHARE);
  if (settled.length < SAMPLES_MIN)
    throw new RangeError(`${settled.length} samples: at least ${SAMPLES_MIN} are needed`);
  const slopes = settled.flatMap((a, i) => settled.slice(i + 1).map((b) => (b.bytes - a.bytes) / (b.atS - a.atS)));
  slopes.sort((a, b) => a - b);
  const slope = slopes[slopes.length >> 1]!;
  const bytes = slope * (end - settled[0]!.atS);
  return { bytesPerHour: slope * 3_600, bytes, allowedBytes: noiseBytes, grows: bytes > noiseBytes };
}
