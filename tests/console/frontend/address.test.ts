import assert from "node:assert/strict";
import { test } from "node:test";

import { asked, DEFAULTS, readAddress, readFilter, sameQuestion, writeAddress } from "../../../dxops/console/frontend/src/logs/address.ts";
import { paramsOf, stateOf } from "../../../dxops/console/frontend/src/logs/keeping.ts";
import type { State } from "../../../dxops/console/frontend/src/logs/types.ts";

const FULL: State = {
  q: 'level:error and "a & b"', lang: "lucene", from: "now-1d/d", to: "2026-01-02T03:04:05.678Z", stream: ["web-*", "logs-app"],
  filters: [
    { field: "host", op: "is", value: "kube-1" }, { field: "status", op: "one_of", values: [200, "ok", true] },
    { field: "took", op: "range", gte: "1", lt: "2" }, { field: "x", op: "not_exists", off: true, pin: true },
  ],
  cols: [{ name: "level", width: null }, { name: "a,b~c%d", width: 180 }], sort: "took", order: "asc", tab: "patterns", by: "service",
  live: true, tz: "UTC", every: 30, wrap: true, line: "1.2.logs-app",
};

test("an address gives back every setting", () => {
  assert.deepEqual(readAddress(writeAddress(FULL)), FULL);
});

test("what is the default is not said", () => {
  assert.equal(writeAddress(DEFAULTS), "");
  assert.deepEqual(readAddress(""), DEFAULTS);
  assert.equal(writeAddress({ ...DEFAULTS, q: "x" }), "?q=x");
});

test("nonsense in an address is left out", () => {
  const found = readAddress("?lang=sql&order=up&tab=x&f=%7B&f=null&f=%7B%22field%22%3A%22a%22%7D&every=-5&cols=a~9,%E0%A4%A&from=");
  assert.deepEqual(found, { ...DEFAULTS, cols: [{ name: "a", width: null }, { name: "\ufffd%A", width: null }] });
  for (const text of ['{"field":"","op":"is","value":1}', '{"field":"a","op":"is"}', '{"field":"a","op":"range"}', '{"field":"a","op":"one_of","values":[{}]}', "[]", "7"])
    assert.equal(readFilter(text), null, text);
});

test("only what changes the lines is another question", () => {
  assert.ok(sameQuestion(FULL, { ...FULL, cols: null, tab: "lines", by: "", wrap: false, live: false, line: "" }));
  assert.ok(!sameQuestion(FULL, { ...FULL, q: "other" }));
  assert.ok(!sameQuestion(FULL, { ...FULL, order: "desc" }));
});

test("a disabled filter is kept but not asked for", () => {
  const filters = asked(FULL, "Europe/Berlin").getAll("filter");
  assert.equal(filters.length, 3);
  assert.ok(filters.every((text) => !text.includes("off") && !text.includes("pin")));
  assert.deepEqual(asked({ ...FULL, filters: [{ field: "a", op: "exists", pin: true }] }, "").getAll("filter"), ['{"field":"a","op":"exists"}']);
  assert.equal(asked(FULL, "Europe/Berlin").get("tz"), "Europe/Berlin");
  assert.ok(sameQuestion(FULL, { ...FULL, filters: FULL.filters.slice(0, 3) }));
});

test("a saved search is the page without its open line and its tail", () => {
  const filters = FULL.filters.map(({ pin: _pin, ...rest }) => rest);
  assert.deepEqual(stateOf(paramsOf(FULL)), { ...FULL, filters, live: false, line: "" });
  assert.deepEqual(stateOf({}), DEFAULTS);
});
