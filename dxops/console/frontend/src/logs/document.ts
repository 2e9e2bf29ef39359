/** Documents: read exactly, flattened to the fields that queries name. Pure. */
import type { Line } from "./types.ts";

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;
const parse = JSON.parse as (text: string, reviver?: Reviver) => unknown;

/** JSON whose integers keep every digit: those past 2^53 are bigints (where the browser gives the source text). */
export const parseExact = (text: string): unknown =>
  /\d{16}/.test(text)
    ? parse(text, (_key, value, context) =>
        typeof value === "number" && !Number.isSafeInteger(value) && context?.source && /^-?\d+$/.test(context.source)
          ? BigInt(context.source)
          : value)
    : parse(text);

/** JSON of it, indented by two; bigints with all their digits. */
export const pretty = (value: unknown, indent = ""): string => {
  const inner = `${indent}  `;
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value))
    return value.length ? `[\n${value.map((one) => inner + pretty(one, inner)).join(",\n")}\n${indent}]` : "[]";
  if (typeof value === "object" && value !== null) {
    const pieces = Object.entries(value).map(([key, one]) => `${inner}${JSON.stringify(key)}: ${pretty(one, inner)}`);
    return pieces.length ? `{\n${pieces.join(",\n")}\n${indent}}` : "{}";
  }
  return JSON.stringify(value) ?? "null";
};

const put = (into: Map<string, unknown>, name: string, value: unknown): void => {
  const known = into.get(name);
  if (known === undefined) into.set(name, value);
  else into.set(name, [...(Array.isArray(known) ? known : [known]), ...(Array.isArray(value) ? value : [value])]);
};

const spread = (into: Map<string, unknown>, prefix: string, value: unknown): void => {
  if (Array.isArray(value)) {
    const inner = value.filter((one) => typeof one === "object" && one !== null && !Array.isArray(one));
    const rest = value.filter((one) => !inner.includes(one));
    for (const one of inner) spread(into, prefix, one);
    if (rest.length || value.length === 0) put(into, prefix, rest.map((one) => (typeof one === "object" && one !== null ? JSON.stringify(one) : one)));
  } else if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    if (entries.length === 0) put(into, prefix, "{}");
    for (const [key, one] of entries) spread(into, prefix ? `${prefix}.${key}` : key, one);
  } else put(into, prefix, value);
};

/** Dotted names to values, as queries see them: objects in lists give their fields lists of values. */
export const flat = (source: unknown): Map<string, unknown> => {
  const made = new Map<string, unknown>();
  if (typeof source === "object" && source !== null && !Array.isArray(source)) spread(made, "", source);
  return made;
};

/** A value on one line. */
export const shown = (value: unknown): string =>
  value === null ? "null" : value === undefined ? "" : Array.isArray(value) ? value.map(shown).join(", ") : String(value);

const OWN = new Set(["level", "service", "host", "environment", "message", "stream"]);
const flats = new WeakMap<Line, Map<string, unknown>>();

export const fieldsOf = (line: Line): Map<string, unknown> => {
  let found = flats.get(line);
  if (!found) {
    found = flat(line.source);
    flats.set(line, found);
  }
  return found;
};

/** What a column shows of a line. */
export const valueOf = (line: Line, name: string): unknown => {
  if (name === "@timestamp") return line.time;
  if (name === "_index") return line.stream;
  if (name === "_id") return line.id;
  if (OWN.has(name)) {
    const own = line[name as "level"];
    if (own) return own;
  }
  return fieldsOf(line).get(name);
};

const LEVELS: readonly [string, RegExp][] = [
  ["fatal", /^(fatal|emerg|emergency|panic|alert|crit|critical)$/],
  ["error", /^(err|error|severe|e|failure)$/],
  ["warning", /^(warn|warning|w)$/],
  ["info", /^(info|information|informational|notice|i|ok|success)$/],
  ["debug", /^(debug|d|fine)$/],
  ["trace", /^(trace|t|verbose|finer|finest|silly)$/],
];
const known = new Map<string, string>();

/** One of fatal, error, warning, info, debug, trace for what a sender calls its levels; "" for anything else. */
export const levelOf = (text: string): string => {
  let found = known.get(text);
  if (found === undefined) {
    const low = text.trim().toLowerCase();
    found = LEVELS.find(([, words]) => words.test(low))?.[0] ?? "";
    if (known.size < 1000) known.set(text, found);
  }
  return found;
};
export const LEVEL_ORDER: readonly string[] = LEVELS.map(([name]) => name);
