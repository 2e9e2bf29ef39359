import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange, paths, roundUp } from "../../../dxops/console/frontend/src/logs/bars.ts";
import { Heights } from "../../../dxops/console/frontend/src/logs/heights.ts";
import { bytes, share, short } from "../../../dxops/console/frontend/src/logs/numbers.ts";
import { newestFirst } from "../../../dxops/console/frontend/src/logs/tail.ts";
import { absolute, describeRange, isMoment, lasting, ticks, Zone } from "../../../dxops/console/frontend/src/logs/time.ts";
import type { Counts, Line } from "../../../dxops/console/frontend/src/logs/types.ts";

const counts = (series: Record<string, number[]>): Counts => ({ start_ms: 0, interval_ms: 1000, series, total: 0, took_ms: 0, sql: "" });

test("levels are stacked by severity, their spellings added up", () => {
  const found = arrange(counts({ info: [5, 5], ERROR: [1, 0], err: [1, 2], odd: [0, 1], "": [3, 0] }), "level");
  assert.deepEqual(found.series.map((one) => [one.name, one.total, one.kind]), [
    ["error", 4, "level-error"], ["info", 10, "level-info"], ["(none)", 3, "level-none"], ["odd", 1, "series-6"],
  ]);
  assert.deepEqual([found.totals, found.highest], [[10, 8], 10]);
});

test("other fields are stacked by size, the rest last, a sixth colour for what is beyond", () => {
  const found = arrange(counts({ "…": [90], a: [1], b: [5] }), "service");
  assert.deepEqual(found.series.map((one) => [one.name, one.kind]), [["b", "series-1"], ["a", "series-2"], ["…", "series-6"]]);
  assert.deepEqual(arrange(counts({}), "level").totals, []);
});

test("a single line among a million is still seen", () => {
  const [error = "", info = ""] = paths(arrange(counts({ error: [1, 0], info: [1_000_000, 10] }), "level"), 100, 50);
  assert.match(error, /v-1h/);
  assert.equal(info.match(/M/g)?.length, 2);
  assert.deepEqual([0, 3, 7, 11, 130, 1_000_001].map(roundUp), [1, 3, 8, 15, 150, 1_500_000]);
});

test("rows of different heights: where each begins, and which is where", () => {
  const rows = new Heights(20);
  rows.reset(10_000);
  assert.equal(rows.total, 200_000);
  assert.equal(rows.set(3, 120), 100);
  assert.deepEqual([rows.top(3), rows.top(4), rows.total], [60, 180, 200_100]);
  assert.deepEqual([rows.at(0), rows.at(59), rows.at(60), rows.at(179), rows.at(180), rows.at(1e9)], [0, 2, 3, 3, 4, 9_999]);
  rows.grow(10_001);
  assert.equal(rows.total, 200_120);
  assert.equal(rows.set(3, 20), -100);
  assert.equal(rows.total, 200_020);
  rows.reset(0);
  assert.deepEqual([rows.total, rows.at(5)], [0, 0]);
});

test("figures", () => {
  assert.deepEqual([0, 999, 1000, 12_345, 999_960, 4_000_000].map(short), ["0", "999", "1 k", "12.3 k", "1 M", "4 M"]);
  assert.deepEqual([share(1, 3), share(0, 3), share(1, 100_000), share(5, 0)], ["33 %", "0 %", "< 0.1 %", "0 %"]);
  assert.deepEqual([bytes(12), bytes(1_234_567)], ["12 B", "1.23 MB"]);
  assert.deepEqual([250, 5000, 90_000, 86_400_000, 172_800_000].map(lasting), ["250 ms", "5 s", "1.5 min", "1 day", "2 days"]);
});

test("moments that the server takes", () => {
  for (const good of ["now", "now-15m", "now-1d/d", "now+1h", "now/w", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04+02:00", "1767323045678"]) assert.ok(isMoment(good), good);
  for (const bad of ["", "15m", "now-", "yesterday", "2026-01-02", "now-1q"]) assert.ok(!isMoment(bad), bad);
  assert.equal(absolute("1767323045"), 1_767_323_045_000);
  assert.equal(absolute("now"), null);
});

test("ranges in words", () => {
  const utc = new Zone("UTC");
  assert.equal(describeRange("now-15m", "now", utc), "Last 15 minutes");
  assert.equal(describeRange("now-3d", "now", utc), "Last 3 days");
  assert.equal(describeRange("now-1d/d", "now/d", utc), "Yesterday");
  assert.equal(describeRange("2026-01-02T03:04:05Z", "2026-01-02T04:00:00.5Z", utc), "02 Jan 2026, 03:04:05 – 04:00:00.500");
  assert.equal(describeRange("2026-01-02T23:00:00Z", "now", utc), "02 Jan 2026, 23:00:00 – now");
  const now = Date.parse("2026-06-01T00:00:00Z");
  assert.equal(describeRange("2025-12-31T23:00:00Z", "2026-01-01T01:00:00Z", utc, now), "31 Dec 2025, 23:00:00 – 01 Jan, 01:00:00");
});

test("the calendar of a zone, over the change of its clocks", () => {
  const berlin = new Zone("Europe/Berlin");
  const summer = Date.parse("2026-07-01T10:00:00Z");
  assert.equal(berlin.toInput(summer), "2026-07-01T12:00:00");
  for (const text of ["2026-03-29T01:30:00Z", "2026-03-28T23:00:00Z", "2026-10-25T12:00:00Z", "2026-07-01T10:00:00Z"])
    assert.equal(berlin.fromInput(berlin.toInput(Date.parse(text))), Date.parse(text), text);
  assert.equal(berlin.fromInput("nonsense"), null);
  assert.equal(new Zone("Not/AZone").name, "UTC");
  assert.deepEqual(berlin.split(summer + 7), ["01 Jul", "12:00:00.007"]);
  const days = ticks(Date.parse("2026-07-01T00:00:00Z"), Date.parse("2026-07-04T00:00:00Z"), 4, berlin);
  assert.deepEqual(days.map(({ at }) => berlin.toInput(at)), ["2026-07-02T00:00:00", "2026-07-03T00:00:00", "2026-07-04T00:00:00"]);
});

test("lines that arrived together: newest first, by all 64 bits", () => {
  const line = (ts_ms: number, seq: string): Line => ({ ts_ms, seq }) as Line;
  const sorted = [line(1, "9"), line(2, "9007199254740993"), line(2, "9007199254740992"), line(2, "10")].sort(newestFirst);
  assert.deepEqual(sorted.map(({ seq }) => seq), ["9007199254740993", "9007199254740992", "10", "9"]);
});
