/** What the parts of the page know of each other. */
import type { Zone } from "./time.ts";
import type { Column, Counts, Filter, Found, Line, State } from "./types.ts";

export interface Page {
  readonly state: State;
  readonly zone: Zone;
  /** The last answer to the search, while there is one. */
  readonly found: Found | null;
  /** The histogram of the same question, when it has come. */
  readonly counts: Counts | null;
  /** Change the state, its address and what follows from it. `replace` leaves no step to go back to. */
  go(patch: Partial<State>, how?: "push" | "replace"): void;
  /** Ask again for what is shown. */
  refresh(): void;
  columns(): Column[];
  /** What to ask `/api/logs` with. */
  query(extra?: Record<string, string>): URLSearchParams;
  addFilter(filter: Filter): void;
  toggleColumn(name: string): void;
  openSurrounding(line: Line): void;
  linkTo(line: Line): string;
}

export const lineKey = (line: Line): string => `${line.ts_ms}.${line.seq}.${line.stream}`;

/** The parts of `lineKey`, or null. */
export const readLineKey = (text: string): { ts_ms: string; seq: string; stream: string } | null => {
  const found = /^(-?\d+)\.(\d+)\.(.+)$/s.exec(text);
  return found ? { ts_ms: found[1] ?? "", seq: found[2] ?? "", stream: found[3] ?? "" } : null;
};
