/** Who hears whom, as positions on a torus: no AP stands at an edge, so a mesh of any size looks alike from inside. */
export interface Radio {
  readonly name: string;
  /** by AP index: the indices that hear it, and that it hears */
  readonly neighbours: readonly (readonly number[])[];
}

/** Radio range in the distance between two APs of a regular grid. */
const RANGE = 1.5;
/** APs hang where they can: up to this far from their place in the grid. */
const JITTER = 0.3;

/** A plane with APs of one density: 4 to 8 neighbours each, whatever their number. */
export function planar(count: number, random: () => number): Radio {
  const width = Math.round(Math.sqrt(count));
  const height = Math.ceil(count / width);
  const at = Array.from({ length: count }, (_, i) => ({
    x: (i % width) + (random() - 0.5) * 2 * JITTER,
    y: Math.floor(i / width) + (random() - 0.5) * 2 * JITTER,
  }));
  const around = (difference: number, size: number) => {
    const apart = Math.abs(difference) % size;
    return Math.min(apart, size - apart);
  };
  const hears = (a: number, b: number): boolean => {
    const [p, q] = [at[a]!, at[b]!];
    return a !== b && Math.hypot(around(p.x - q.x, width), around(p.y - q.y, height)) <= RANGE;
  };
  const all = at.map((_, i) => i);
  return { name: "planar", neighbours: all.map((a) => all.filter((b) => hears(a, b))) };
}

/** The control: everybody hears everybody, so what an AP hears grows with the mesh. */
export function full(count: number): Radio {
  const all = Array.from({ length: count }, (_, i) => i);
  return { name: "full", neighbours: all.map((a) => all.filter((b) => b !== a)) };
}
