/** Pairs of numbers of all sizes: small ones that are whole, and any bits, with zeros, infinities and what is below the normal. */
const PAIRS = 1_500;
const SPECIAL = [0, -0, 1, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308];

/** Lines that every CPU must give alike: sums, quotients, roots, conversions, order, and numbers as text. */
export function* numberLines(): Generator<string> {
  const numbers = numbersOf(PAIRS * 2);
  for (let i = 0; i < numbers.length; i += 2) yield line(numbers[i]!, numbers[i + 1]!);
}

function line(a: number, b: number): string {
  const order = [a < b, a <= b, a > b, a >= b, a === b].map(Number).join("");
  const whole = [a | 0, a >>> 0, Math.floor(a), Math.round(b), Math.trunc(b), Math.imul(a, b)];
  const single = [Math.fround(a), Math.fround(b)];
  return [a + b, a - b, a * b, a / b, a % b, Math.sqrt(Math.abs(a)), ...whole, ...single, order, `${a}`].join(" ");
}

function numbersOf(count: number): number[] {
  const bits = new Uint32Array(2);
  const asNumber = new Float64Array(bits.buffer);
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return Array.from({ length: count }, (_, i) => {
    const kind = i % 3;
    if (kind === 0) return (next() % 20_001) - 10_000;
    if (kind === 1) return SPECIAL[next() % SPECIAL.length]!;
    const words = [next(), next()];
    // The same number on either byte order.
    const isLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
    bits.set(isLittle ? words : words.reverse());
    return asNumber[0]!;
  });
}
