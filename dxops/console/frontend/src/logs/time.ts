/** Time: ranges as the server takes them, and moments as people read them. Pure but for `Date.now` of callers. */

export const QUICK: readonly (readonly [from: string, to: string, label: string])[] = [
  ["now-5m", "now", "Last 5 minutes"], ["now-15m", "now", "Last 15 minutes"], ["now-1h", "now", "Last hour"],
  ["now-4h", "now", "Last 4 hours"], ["now-24h", "now", "Last 24 hours"], ["now-7d", "now", "Last 7 days"],
  ["now-30d", "now", "Last 30 days"], ["now-90d", "now", "Last 90 days"], ["now/d", "now", "Today"],
  ["now-1d/d", "now/d", "Yesterday"], ["now/w", "now", "This week"], ["now/M", "now", "This month"],
];
const UNITS: Record<string, string> = { s: "second", m: "minute", h: "hour", d: "day", w: "week", M: "month", y: "year" };
const MATH = /^now(?:[+-]\d+[smhdwMyH])*(?:\/[smhdwMy])?$/;

/** Whether the server would take it: date math from now, an RFC 3339 moment, or milliseconds since 1970. */
export const isMoment = (text: string): boolean => MATH.test(text) || /^\d{10,13}$/.test(text) || absolute(text) !== null;

/** Milliseconds of an absolute moment, or null. */
export const absolute = (text: string): number | null => {
  if (/^\d{10,13}$/.test(text)) return text.length > 10 ? Number(text) : Number(text) * 1000;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/.test(text)) return null;
  const found = Date.parse(text);
  return Number.isNaN(found) ? null : found;
};
export const isRelative = (from: string, to: string): boolean => absolute(from) === null || absolute(to) === null;

export const browserZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Moments in one time zone. */
export class Zone {
  readonly name: string;
  #formats = new Map<string, Intl.DateTimeFormat>();

  constructor(name: string) {
    this.name = name;
    try {
      this.#format("probe", { hour: "numeric" });
    } catch {
      this.name = "UTC";
    }
  }

  #format(key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    let found = this.#formats.get(key);
    if (!found) {
      found = new Intl.DateTimeFormat("en-GB", { timeZone: this.name, ...options });
      this.#formats.set(key, found);
    }
    return found;
  }

  /** year, month, day, hour, minute, second of the wall clock. */
  parts(ms: number): { year: number; month: number; day: number; hour: number; minute: number; second: number } {
    const found = this.#format("parts", {
      year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
    }).formatToParts(ms);
    const of = (type: string): number => Number(found.find((part) => part.type === type)?.value ?? 0);
    return { year: of("year"), month: of("month"), day: of("day"), hour: of("hour"), minute: of("minute"), second: of("second") };
  }

  /** How far the wall clock is ahead of UTC, in milliseconds. */
  offset(ms: number): number {
    const p = this.parts(ms);
    return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - Math.floor(ms / 1000) * 1000;
  }

  /** `24 Nov` and `19:43:26.123`. */
  split(ms: number): [day: string, clock: string] {
    const day = this.#format("day", { day: "2-digit", month: "short" }).format(ms);
    const clock = this.#format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(ms);
    return [day, `${clock}.${String(((ms % 1000) + 1000) % 1000).padStart(3, "0")}`];
  }

  /** `24 Nov 2026, 19:43:26.123`, for tips and titles; without what is zero at the end. */
  long(ms: number): string {
    const [, clock] = this.split(ms);
    const day = this.#format("long", { day: "2-digit", month: "short", year: "numeric" }).format(ms);
    return `${day}, ${clock.replace(/\.000$/, "")}`;
  }

  /** What stands below an axis whose marks are `step` apart. */
  tick(ms: number, step: number): string {
    if (step >= 86_400_000) return this.#format("day", { day: "2-digit", month: "short" }).format(ms);
    if (step >= 60_000) {
      const { hour, minute } = this.parts(ms);
      if (hour === 0 && minute === 0) return this.#format("day", { day: "2-digit", month: "short" }).format(ms);
      return this.#format("minute", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(ms);
    }
    const [, clock] = this.split(ms);
    return step >= 1000 ? clock.slice(0, 8) : clock;
  }

  /** For `<input type=datetime-local>`. */
  toInput(ms: number): string {
    return new Date(ms + this.offset(ms)).toISOString().slice(0, 19);
  }

  /** Back from it: the moment at which this zone's clocks show that. Null for no moment. */
  fromInput(text: string): number | null {
    const wall = Date.parse(`${text.length === 16 ? `${text}:00` : text}Z`);
    if (Number.isNaN(wall)) return null;
    const first = wall - this.offset(wall);
    return wall - this.offset(first);
  }
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3, 3600e3,
  7200e3, 10_800e3, 21_600e3, 43_200e3, 86_400e3, 172_800e3, 604_800e3, 1_209_600e3, 2_592_000e3, 7_776_000e3, 31_536_000e3,
];

/** Round moments of the zone's clock between two, at most `most`. */
export const ticks = (start: number, end: number, most: number, zone: Zone): { at: number; step: number }[] => {
  const step = STEPS.find((one) => (end - start) / one <= most) ?? STEPS.at(-1) ?? 1;
  const shift = zone.offset(start);
  const made = [];
  for (let at = Math.ceil((start + shift) / step) * step - shift; at < end && made.length <= most; at += step) made.push({ at, step });
  return made;
};

/** `Last 15 minutes`, `24 Nov 2026, 10:00 to 11:00`, or what was written. The year of `now` goes without saying. */
export const describeRange = (from: string, to: string, zone: Zone, now?: number): string => {
  const long = (ms: number): string => {
    const text = zone.long(ms);
    return now === undefined || zone.parts(ms).year !== zone.parts(now).year ? text : text.replace(/ \d{4},/, ",");
  };
  const quick = QUICK.find(([start, end]) => start === from && end === to);
  if (quick) return quick[2];
  const last = /^now-(\d+)([smhdwMy])$/.exec(from);
  if (last && to === "now") {
    const unit = UNITS[last[2] ?? ""] ?? "";
    return `Last ${last[1] === "1" ? unit : `${last[1]} ${unit}s`}`;
  }
  const [start, end] = [absolute(from), absolute(to)];
  if (start !== null && end !== null) {
    const [a, b] = [long(start), long(end)];
    const day = a.split(", ")[0];
    return b.startsWith(`${day},`) ? `${a} – ${b.split(", ")[1]}` : `${a} – ${b}`;
  }
  const one = (text: string): string => {
    const at = absolute(text);
    return at === null ? text : long(at);
  };
  return `${one(from)} – ${one(to)}`;
};

/** `340 ms`, `5 s`, `15 min`, `3 h`, `2 days`. */
export const lasting = (ms: number): string => {
  for (const [limit, unit, name] of [[1e3, 1, "ms"], [60e3, 1e3, "s"], [3600e3, 60e3, "min"], [86_400e3, 3600e3, "h"]] as const)
    if (ms < limit) return `${trim(ms / unit)} ${name}`;
  const days = trim(ms / 86_400e3);
  return `${days} day${days === "1" ? "" : "s"}`;
};
const trim = (value: number): string => String(Math.round(value * 10) / 10);
