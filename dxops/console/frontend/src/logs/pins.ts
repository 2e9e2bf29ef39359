/** Pinned filters: they stay through other searches, and from one visit of this page to the next, while this tab is open. */
import { readFilter } from "./address.ts";
import { withPinned } from "./filters.ts";
import type { Filter, State } from "./types.ts";

const KEY = "dx.logs.pinned";

const kept = (): Filter[] => {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.map((one) => readFilter(String(one))).filter((one) => one !== null) : [];
  } catch {
    return [];
  }
};

/** A state as it is entered: with what this tab has pinned. */
export const entered = (state: State): State => ({ ...state, filters: withPinned(state.filters, kept()) });

/** Remember what a state has pinned. */
export const keepPins = (filters: readonly Filter[]): void => {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(filters.filter((one) => one.pin).map((one) => JSON.stringify(one))));
  } catch {
    // a browser that keeps nothing
  }
};
