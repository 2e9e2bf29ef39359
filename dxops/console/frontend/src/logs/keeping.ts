/** The page's state as the parameters of a saved search. Pure. */
import { readAddress, writeAddress } from "./address.ts";
import { unpinned } from "./filters.ts";
import type { State } from "./types.ts";

type Params = Record<string, string | string[]>;

/** The page's parameters as they are kept: without an open line and without the live tail. */
export const paramsOf = (state: State): Params => {
  const made: Params = {};
  const given = new URLSearchParams(writeAddress({ ...state, filters: unpinned(state.filters), line: "", live: false }));
  for (const name of new Set(given.keys())) {
    const all = given.getAll(name);
    made[name] = all.length > 1 ? all : (all[0] ?? "");
  }
  return made;
};

/** Back to a state. */
export const stateOf = (params: Params): State => {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) for (const one of Array.isArray(value) ? value : [value]) given.append(name, String(one));
  return readAddress(`?${given}`);
};
