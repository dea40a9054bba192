/** A value at a moment, Unix ms. */
export type Sample = readonly [at: number, value: number];

/** A series drawn into a box, as SVG paths, and what has to be said beside it. */
export type Spark = Readonly<{
  line: string;
  area: string;
  /** The smallest and the largest value that is drawn. */
  low: number;
  high: number;
  /** When the series begins, Unix ms. */
  from: number;
  last: number;
  /** Where the last value stands, as shares of the box from its upper left corner. */
  end: readonly [x: number, y: number];
}>;

/** How a series is drawn. */
export type SparkOptions = Readonly<{
  /** The end of the box, Unix ms. */
  now: number;
  /** What is older is left out, ms. */
  overMs: number;
  width: number;
  height: number;
  /** The box never spans less than this: small noise must not look like a collapse. */
  leastSpan: number;
  /** True: the box begins at zero, as for things that are counted. */
  fromZero?: boolean;
  /** True: the box begins `overMs` ago even where the series is younger. */
  whole?: boolean;
}>;

/**
 * A series as a line that holds each value until the next: what is counted or judged from time to time is not known in
 * between. Null while there are fewer than two samples to draw. Time runs from left to right in every language.
 */
export function spark(samples: readonly Sample[], o: SparkOptions): Spark | null {
  const recent = samples.filter(([at]) => at <= o.now + 60_000 && at > o.now - o.overMs);
  const first = recent[0];
  if (!first || recent.length < 2) return null;
  const values = recent.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = Math.max(o.leastSpan, o.fromZero ? high : high - low);
  const bottom = o.fromZero ? 0 : Math.max(0, (low + high) / 2 - span / 2);
  const from = o.whole ? o.now - o.overMs : Math.min(first[0], o.now);
  const x = (at: number) => ((Math.min(at, o.now) - from) / Math.max(1, o.now - from)) * o.width;
  // A pixel of room at both ends, so that the line is not cut.
  const y = (value: number) => o.height - 1 - ((value - bottom) / span) * (o.height - 2);
  const line = recent.map(([at, value], i) => `${i === 0 ? `M${x(at).toFixed(2)} ` : `H${x(at).toFixed(2)}V`}${y(value).toFixed(2)}`).join("") + `H${o.width}`;
  const last = values.at(-1)!;
  return { line, area: `${line}V${o.height}H${Number(x(first[0]).toFixed(2))}Z`, low, high, from, last, end: [1, y(last) / o.height] };
}
