/** Filters as people read and make them. Pure. */
import type { Filter, Op } from "./types.ts";

const OPPOSITE: Record<Op, Op> = {
  is: "is_not", is_not: "is", one_of: "not_one_of", not_one_of: "one_of", exists: "not_exists", not_exists: "exists",
  range: "not_range", not_range: "range",
};
export const OPS: readonly { op: Op; label: string }[] = [
  { op: "is", label: "is" }, { op: "is_not", label: "is not" }, { op: "one_of", label: "is one of" },
  { op: "not_one_of", label: "is not one of" }, { op: "exists", label: "exists" }, { op: "not_exists", label: "does not exist" },
  { op: "range", label: "is between" }, { op: "not_range", label: "is not between" },
];

export const negated = (filter: Filter): Filter => ({ ...filter, op: OPPOSITE[filter.op] });
export const isNegative = (op: Op): boolean => op === "is_not" || op.startsWith("not_");

const bounds = (filter: Filter): string => {
  const low = filter.gte !== undefined ? `≥ ${filter.gte}` : filter.gt !== undefined ? `> ${filter.gt}` : "";
  const high = filter.lte !== undefined ? `≤ ${filter.lte}` : filter.lt !== undefined ? `< ${filter.lt}` : "";
  return [low, high].filter(Boolean).join(" and ");
};

/** `{not, field, value}` of a pill: `not status: ≥ 500`. */
export const described = (filter: Filter): { not: boolean; field: string; value: string } => {
  const value =
    filter.op === "exists" || filter.op === "not_exists" ? "exists"
    : filter.values ? filter.values.map((one) => (one === "" ? "(empty)" : String(one))).join(" or ")
    : filter.op === "range" || filter.op === "not_range" ? bounds(filter)
    : filter.value === "" ? "(empty)" : String(filter.value);
  return { not: isNegative(filter.op), field: filter.field, value };
};

const plain = (filter: Filter): string => {
  const { off: _off, pin: _pin, ...rest } = filter;
  return JSON.stringify(rest);
};

/** `filters` with one more: its opposite goes, itself is not doubled, a disabled twin is enabled. */
export const withFilter = (filters: readonly Filter[], added: Filter): Filter[] => {
  const [same, opposite] = [plain(added), plain(negated(added))];
  const kept = filters.filter((one) => plain(one) !== opposite);
  const at = kept.findIndex((one) => plain(one) === same);
  if (at < 0) return [...kept, added];
  return kept.map((one, index) => (index === at ? { ...added, ...(one.pin ? { pin: true } : {}) } : one));
};

/** `filters` after the pinned ones, none of them twice. */
export const withPinned = (filters: readonly Filter[], pins: readonly Filter[]): Filter[] => {
  const pinned = new Set(pins.map(plain));
  return [...pins, ...filters.filter((one) => !pinned.has(plain(one)))];
};

/** `filters` as a search that is saved keeps them: pinning is a matter of who looks. */
export const unpinned = (filters: readonly Filter[]): Filter[] => filters.map(({ pin: _pin, ...rest }) => rest);

/** The filter for a cell: `is` its value, `is one of` the values of a list. */
export const forValue = (field: string, value: unknown, out = false): Filter => {
  const known = (one: unknown): string | number | boolean =>
    typeof one === "number" || typeof one === "boolean" ? one : typeof one === "string" ? one : String(one);
  if (Array.isArray(value)) {
    const values = [...new Set(value.filter((one) => one !== null && typeof one !== "object").map(known))];
    if (values.length !== 1) return { field, op: out ? "not_one_of" : "one_of", values };
    return { field, op: out ? "is_not" : "is", value: values[0] as string };
  }
  if (value === null || value === undefined) return { field, op: out ? "exists" : "not_exists" };
  return { field, op: out ? "is_not" : "is", value: known(value) };
};

const separated = (text: string): string[] => text.split(",").map((one) => one.trim()).filter(Boolean);

/** A filter from the editor's texts, or what is missing. */
export const fromForm = (field: string, op: Op, value: string, low: string, high: string): Filter | string => {
  if (!field.trim()) return "Choose a field.";
  const made: Filter = { field: field.trim(), op };
  if (op === "one_of" || op === "not_one_of") {
    made.values = separated(value);
    if (made.values.length === 0) return "Give at least one value; several are separated by commas.";
  } else if (op === "range" || op === "not_range") {
    if (!low.trim() && !high.trim()) return "Give a lower or an upper bound.";
    if (low.trim()) made.gte = low.trim();
    if (high.trim()) made.lte = high.trim();
  } else if (op === "is" || op === "is_not") {
    if (!value) return "Give a value.";
    made.value = value;
  }
  return made;
};
