/** What `/api/logs` answers and what the page keeps of itself. */

export interface Line {
  id: string;
  seq: string;
  stream: string;
  time: string;
  ts_ms: number;
  received_ms: number;
  level: string;
  service: string;
  host: string;
  environment: string;
  message: string;
  source: unknown;
}

export interface Term {
  field: string | null;
  text: string;
  prefix: boolean;
}

export interface Found {
  items: Line[];
  total: number;
  total_relation: "eq" | "gte";
  next: string | null;
  took_ms: number;
  sql: string;
  window: { from_ms: number; to_ms: number };
  terms: Term[];
}

export interface Counts {
  start_ms: number;
  interval_ms: number;
  series: Record<string, number[]>;
  total: number;
  took_ms: number;
  sql: string;
}

export interface FieldInfo {
  name: string;
  kinds: string[];
  documents: number;
  conflict: boolean;
}

export interface NumberStats {
  count: number;
  least: number | null;
  greatest: number | null;
  mean: number | null;
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

export interface Values {
  values: { value: string; count: number }[];
  documents: number;
  having: number;
  distinct: number;
  sampled: boolean;
  numbers: NumberStats | null;
  sql: string;
}

export interface PatternRow {
  template: string;
  count: number;
  first_ms: number;
  last_ms: number;
  example: string;
  levels: string[];
  query: string | null;
}

export interface StreamInfo {
  name: string;
  documents: number;
  bytes: number;
  first_ms: number;
  last_ms: number;
}

export interface Completion {
  kind: "field" | "operator" | "value" | "keyword";
  label: string;
  insert: string;
  replace: [number, number];
  about?: string;
}

export interface Saved {
  id: string;
  name: string;
  params: Record<string, string | string[]>;
  by: string;
  at: string;
  shared: boolean;
  mine: boolean;
  may_change: boolean;
}

export type Op = "is" | "is_not" | "one_of" | "not_one_of" | "exists" | "not_exists" | "range" | "not_range";

/** One pill. `off`: kept in the address, not asked for. `pin`: stays when another search is opened. */
export interface Filter {
  field: string;
  op: Op;
  value?: string | number | boolean;
  values?: (string | number | boolean)[];
  gte?: string;
  gt?: string;
  lte?: string;
  lt?: string;
  off?: boolean;
  pin?: boolean;
}

export interface Column {
  name: string;
  width: number | null;
}

export type Tab = "lines" | "patterns" | "fields";

/** The page, as its address tells it. */
export interface State {
  q: string;
  lang: "kql" | "lucene";
  from: string;
  to: string;
  stream: string[];
  filters: Filter[];
  cols: Column[] | null;
  sort: string;
  order: "asc" | "desc";
  tab: Tab;
  by: string;
  live: boolean;
  tz: string;
  every: number;
  wrap: boolean;
  /** `TS_MS.SEQ.STREAM` of the line that stands open beside the list. */
  line: string;
}
