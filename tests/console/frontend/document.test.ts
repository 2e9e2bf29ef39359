import assert from "node:assert/strict";
import { test } from "node:test";

import { flat, levelOf, parseExact, pretty, shown } from "../../../dxops/console/frontend/src/logs/document.ts";
import { described, forValue, fromForm, negated, unpinned, withFilter, withPinned } from "../../../dxops/console/frontend/src/logs/filters.ts";
import { Highlighter } from "../../../dxops/console/frontend/src/logs/highlight.ts";
import { toPoints, toUnits } from "../../../dxops/console/frontend/src/logs/points.ts";

test("integers keep every digit", () => {
  const found = parseExact('{"id":9007199254740993,"neg":-12345678901234567890,"plain":12,"far":1.5e300,"text":"9007199254740993"}');
  assert.equal(pretty(found), '{\n  "id": 9007199254740993,\n  "neg": -12345678901234567890,\n  "plain": 12,\n  "far": 1.5e+300,\n  "text": "9007199254740993"\n}');
});

test("dotted and nested names meet, lists of objects give lists of values", () => {
  const found = flat({ "a.b": 1, a: { b: 2, c: null }, tags: ["x", "y"], items: [{ n: 1 }, { n: 2 }, 3], none: [], empty: {}, deep: { list: [[1, 2]] } });
  assert.deepEqual(Object.fromEntries(found), { "a.b": [1, 2], "a.c": null, tags: ["x", "y"], "items.n": [1, 2], items: [3], none: [], empty: "{}", "deep.list": ["[1,2]"] });
  assert.equal(shown(["x", 2, null, true]), "x, 2, null, true");
  assert.equal(flat("text").size, 0);
});

test("levels by whatever name senders give them", () => {
  assert.deepEqual(["ERR", "Warning", "notice", "CRITICAL", "emerg", "verbose", "banana", ""].map(levelOf), ["error", "warning", "info", "fatal", "fatal", "trace", "", ""]);
});

test("filters from cells", () => {
  assert.deepEqual(forValue("a", "x"), { field: "a", op: "is", value: "x" });
  assert.deepEqual(forValue("a", ["x", "y", "x"], true), { field: "a", op: "not_one_of", values: ["x", "y"] });
  assert.deepEqual(forValue("a", ["x"]), { field: "a", op: "is", value: "x" });
  assert.deepEqual(forValue("a", null), { field: "a", op: "not_exists" });
  assert.deepEqual(forValue("a", 9007199254740993n), { field: "a", op: "is", value: "9007199254740993" });
});

test("a filter is not doubled, and drives out its opposite", () => {
  const one = forValue("a", "x");
  assert.deepEqual(withFilter([one], one), [one]);
  assert.deepEqual(withFilter([{ ...one, off: true }], one), [one]);
  assert.deepEqual(withFilter([negated(one), forValue("b", 1)], one), [forValue("b", 1), one]);
  assert.deepEqual(negated(negated(one)), one);
});

test("pinned filters come first, once, and a saved search knows nothing of pins", () => {
  const [one, two] = [{ field: "host", op: "is", value: "a" }, { field: "level", op: "exists" }] as const;
  const pin = { ...one, pin: true };
  assert.deepEqual(withPinned([two, one], [pin]), [pin, two]);
  assert.deepEqual(withPinned([two, { ...one, off: true }], [pin]), [pin, two]);
  assert.deepEqual(withFilter([pin, two], one), [pin, two]);
  assert.deepEqual(withFilter([pin], negated(one)), [negated(one)]);
  assert.deepEqual(unpinned([pin, two]), [one, two]);
});

test("filters in words, and what is missing from a form", () => {
  assert.deepEqual(described({ field: "took", op: "not_range", gte: "5", lt: "9" }), { not: true, field: "took", value: "≥ 5 and < 9" });
  assert.deepEqual(described({ field: "a", op: "is", value: "" }), { not: false, field: "a", value: "(empty)" });
  assert.equal(fromForm(" ", "is", "x", "", ""), "Choose a field.");
  assert.equal(typeof fromForm("a", "range", "", " ", ""), "string");
  assert.deepEqual(fromForm("a", "one_of", "x, y ,", "", ""), { field: "a", op: "one_of", values: ["x", "y"] });
});

test("words are marked where they stand whole, prefixes where they begin", () => {
  const marked = (terms: { field: string | null; text: string; prefix: boolean }[], field: string, text: string): string[] =>
    new Highlighter(terms).split(field, text).filter((_, place) => place % 2);
  assert.deepEqual(marked([{ field: null, text: "time", prefix: false }], "message", "Time to timeout, overtime"), ["Time"]);
  assert.deepEqual(marked([{ field: null, text: "time", prefix: true }], "message", "Time to timeout, overtime"), ["Time", "timeout"]);
  assert.deepEqual(marked([{ field: "host", text: "kube", prefix: false }], "message", "kube"), []);
  assert.deepEqual(marked([{ field: "host.keyword", text: "kube-1", prefix: false }], "host", "kube-1 kube-12"), ["kube-1"]);
  assert.deepEqual(marked([{ field: null, text: "connection refused", prefix: false }], "message", "connection: refused"), ["connection: refused"]);
  assert.deepEqual(marked([{ field: null, text: "(?", prefix: false }, { field: null, text: " ", prefix: false }], "m", "a (? b"), ["(?"]);
  assert.deepEqual(new Highlighter([]).split("m", "text"), ["text"]);
});

test("characters of the server, units of the browser", () => {
  const text = "a🎉b";
  assert.equal(toPoints(text, 3), 2);
  assert.equal(toUnits(text, 2), 3);
  assert.equal(toUnits(text, 99), text.length);
});
