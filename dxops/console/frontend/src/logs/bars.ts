/** The histogram's arithmetic: which series, in which order, how high. Pure. */
import { LEVEL_ORDER, levelOf } from "./document.ts";
import type { Counts } from "./types.ts";

export interface Series {
  name: string;
  /** The class of its colour: `level-error`, `series-1` to `series-6`. */
  kind: string;
  counts: readonly number[];
  total: number;
}

export interface Bars {
  series: Series[];
  totals: number[];
  highest: number;
  buckets: number;
}

const REST = "…";

/** Series in their order, from the bottom: by severity where levels are counted (so that errors share a base line and
 * can be compared), else the largest first. Spellings of one level are added up. */
export const arrange = (counts: Counts, by: string): Bars => {
  const buckets = Math.max(0, ...Object.values(counts.series).map((one) => one.length));
  const made = new Map<string, Series & { counts: number[] }>();
  for (const [value, numbers] of Object.entries(counts.series)) {
    const level = by === "level" ? levelOf(value) : "";
    const name = by === "" ? "lines" : level || value || "(none)";
    const known = made.get(name);
    if (known) numbers.forEach((n, index) => (known.counts[index] = (known.counts[index] ?? 0) + n));
    else made.set(name, { name, kind: level ? `level-${level}` : "", counts: [...numbers], total: 0 });
  }
  const series = [...made.values()];
  for (const one of series) one.total = one.counts.reduce((sum, n) => sum + n, 0);
  const rank = (one: Series): number => (one.kind ? LEVEL_ORDER.indexOf(one.kind.slice(6)) : one.name === REST ? 99 : 50);
  series.sort((one, other) => rank(one) - rank(other) || other.total - one.total);
  let next = 1;
  for (const one of series)
    if (!one.kind) one.kind = by === "" ? "level-info" : by === "level" && one.name === "(none)" ? "level-none" : by === "level" || one.name === "(none)" || one.name === REST ? "series-6" : `series-${Math.min(6, next++)}`;
  const totals = Array.from({ length: buckets }, (_, index) => series.reduce((sum, one) => sum + (one.counts[index] ?? 0), 0));
  return { series, totals, highest: Math.max(0, ...totals), buckets };
};

/** A round number at or above `value`: the top of the axis. */
export const roundUp = (value: number): number => {
  if (value <= 4) return Math.max(1, Math.ceil(value));
  const unit = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= value) ?? 10) * unit;
};

/** One path per series: rectangles of its buckets, on top of the series before it. */
export const paths = (bars: Bars, width: number, height: number): string[] => {
  const top = roundUp(bars.highest);
  const step = width / Math.max(1, bars.buckets);
  const gap = step > 6 ? 1.5 : step > 3 ? 1 : 0;
  const base = new Array<number>(bars.buckets).fill(0);
  return bars.series.map((one) => {
    let path = "";
    one.counts.forEach((n, index) => {
      if (!n) return;
      const below = base[index] ?? 0;
      // what is there is seen: a single error among a million lines is still a pixel high
      const high = Math.max(1, (n / top) * height);
      path += `M${round(index * step + gap / 2)} ${round(height - below)}v${round(-high)}h${round(step - gap)}v${round(high)}z`;
      base[index] = below + high;
    });
    return path;
  });
};
const round = (value: number): number => Math.round(value * 100) / 100;
