/** The page's state to and from its address. Pure. What is not said is the default; what is wrong is left out. */
import type { Column, Filter, Op, State, Tab } from "./types.ts";

export const DEFAULTS: State = {
  q: "", lang: "kql", from: "now-15m", to: "now", stream: [], filters: [], cols: null, sort: "", order: "desc",
  tab: "lines", by: "level", live: false, tz: "", every: 0, wrap: false, line: "",
};
const OPS = new Set<string>(["is", "is_not", "one_of", "not_one_of", "exists", "not_exists", "range", "not_range"]);
const BOUNDS = ["gte", "gt", "lte", "lt"] as const;

const scalar = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";

/** A filter as it stands in an address, or null for what is none. */
export const readFilter = (text: string): Filter | null => {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof found !== "object" || found === null) return null;
  const given = found as Record<string, unknown>;
  const { field, op } = given;
  if (typeof field !== "string" || !field || typeof op !== "string" || !OPS.has(op)) return null;
  const made: Filter = { field, op: op as Op };
  if (op === "is" || op === "is_not") {
    if (!scalar(given["value"])) return null;
    made.value = given["value"];
  } else if (op === "one_of" || op === "not_one_of") {
    if (!Array.isArray(given["values"]) || !given["values"].every(scalar)) return null;
    made.values = given["values"];
  } else if (op === "range" || op === "not_range") {
    for (const bound of BOUNDS) if (scalar(given[bound])) made[bound] = String(given[bound]);
    if (!BOUNDS.some((bound) => made[bound] !== undefined)) return null;
  }
  if (given["off"] === true) made.off = true;
  if (given["pin"] === true) made.pin = true;
  return made;
};

const readColumns = (text: string): Column[] =>
  text.split(",").filter(Boolean).map((piece) => {
    const [name = "", width] = piece.split("~");
    const wide = Number(width);
    return { name: safelyDecoded(name), width: width && wide >= 40 && wide <= 2000 ? Math.round(wide) : null };
  });

const safelyDecoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const writeColumns = (columns: readonly Column[]): string =>
  columns.map(({ name, width }) => name.replace(/[%,~]/g, encodeURIComponent).replace(/~/g, "%7E") + (width ? `~${width}` : "")).join(",");

/** Reads `?…` of the page. */
export const readAddress = (search: string): State => {
  const given = new URLSearchParams(search);
  const one = (name: string, fallback: string): string => given.get(name) ?? fallback;
  const among = <T extends string>(name: string, known: readonly T[], fallback: T): T => {
    const said = given.get(name);
    return known.find((each) => each === said) ?? fallback;
  };
  const cols = given.get("cols");
  return {
    q: one("q", ""),
    lang: among("lang", ["kql", "lucene"], "kql"),
    from: one("from", DEFAULTS.from) || DEFAULTS.from,
    to: one("to", DEFAULTS.to) || DEFAULTS.to,
    stream: given.getAll("stream").filter(Boolean),
    filters: given.getAll("f").map(readFilter).filter((filter) => filter !== null),
    cols: cols === null ? null : readColumns(cols),
    sort: one("sort", ""),
    order: among("order", ["desc", "asc"], "desc"),
    tab: among<Tab>("tab", ["lines", "patterns", "fields"], "lines"),
    by: one("by", DEFAULTS.by),
    live: given.get("live") === "1",
    tz: one("tz", ""),
    every: Math.max(0, Math.min(3600, Math.floor(Number(one("every", "0"))) || 0)),
    wrap: given.get("wrap") === "1",
    line: one("line", ""),
  };
};

/** `?…` of a state, without what is the default anyway. */
export const writeAddress = (state: State): string => {
  const made = new URLSearchParams();
  const put = (name: "q" | "lang" | "from" | "to" | "sort" | "order" | "tab" | "by" | "tz" | "line"): void => {
    if (state[name] !== DEFAULTS[name]) made.set(name, state[name]);
  };
  put("q");
  put("lang");
  put("from");
  put("to");
  for (const stream of state.stream) made.append("stream", stream);
  for (const filter of state.filters) made.append("f", JSON.stringify(filter));
  if (state.cols) made.set("cols", writeColumns(state.cols));
  put("sort");
  put("order");
  put("tab");
  put("by");
  if (state.live) made.set("live", "1");
  put("tz");
  if (state.every) made.set("every", String(state.every));
  if (state.wrap) made.set("wrap", "1");
  put("line");
  const text = made.toString();
  return text ? `?${text}` : "";
};

/** What every question to `/api/logs` says of the page. */
export const asked = (state: State, zone: string): URLSearchParams => {
  const made = new URLSearchParams();
  if (state.q.trim()) made.set("query", state.q);
  if (state.lang !== "kql") made.set("lang", state.lang);
  made.set("from", state.from);
  made.set("to", state.to);
  for (const stream of state.stream) made.append("stream", stream);
  for (const { off, pin: _pin, ...filter } of state.filters) if (!off) made.append("filter", JSON.stringify(filter));
  made.set("tz", zone);
  return made;
};

/** Whether two states ask for the same lines. */
export const sameQuestion = (one: State, other: State): boolean =>
  asked(one, one.tz).toString() === asked(other, other.tz).toString() && one.sort === other.sort && one.order === other.order;
