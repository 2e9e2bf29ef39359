/** An open line: its fields as a table, or the document as it was sent. */
import { copy, h, icon, iconButton } from "./dom.ts";
import { fieldsOf, pretty, shown, valueOf } from "./document.ts";
import { forValue } from "./filters.ts";
import type { Highlighter } from "./highlight.ts";
import type { Page } from "./page.ts";
import type { Line } from "./types.ts";

let view: "table" | "json" = "table";

const KIND = (value: unknown): string =>
  Array.isArray(value) ? "list" : typeof value === "number" || typeof value === "bigint" ? "number" : typeof value === "boolean" ? "boolean" : "text";

/** What is shown below an open line's row. */
export const detail = (page: Page, line: Line, highlighter: Highlighter | null): HTMLElement => {
  const body = h("div", { class: "detail-body" });
  const tab = (name: "table" | "json", label: string): HTMLButtonElement =>
    h("button", { type: "button", "aria-pressed": String(view === name), click: () => {
      view = name;
      for (const one of tabs.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === tabs.children[name === "table" ? 0 : 1]));
      fill();
    } }, label);
  const tabs = h("div", { class: "segmented small", role: "group", "aria-label": "How to show it" }, tab("table", "Table"), tab("json", "JSON"));
  const fill = (): void => body.replaceChildren(view === "table" ? table(page, line, highlighter) : json(line));
  fill();
  const action = (picture: string, label: string, click: () => void): HTMLButtonElement =>
    h("button", { type: "button", class: "button quiet small", click }, icon(picture), label);
  return h("div", { role: "row", class: "detail" }, h("div", { role: "cell" },
    h("div", { class: "detail-head" }, tabs,
      h("div", { class: "row gap-1 detail-actions" },
        action("list-tree", "Surrounding lines", () => page.openSurrounding(line)),
        action("link", "Copy link", () => void copy(page.linkTo(line), "Link")),
        action("copy", "Copy JSON", () => void copy(pretty(line.source), "Document")))),
    body));
};

const json = (line: Line): HTMLElement => h("pre", { class: "code detail-json", tabindex: 0, role: "region", "aria-label": "Document" }, ...coloured(pretty(line.source)));

/** JSON in the colours of the console's JSON. */
const coloured = (text: string): (Node | string)[] => {
  const made: (Node | string)[] = [];
  let from = 0;
  for (const match of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g)) {
    if (made.length > 4000) break;
    made.push(text.slice(from, match.index));
    const piece = match[1] ?? match[0];
    made.push(h("span", { class: match[2] ? "k" : match[1] ? "s" : /^[tfn]/.test(piece) ? "w" : "d" }, piece));
    from = match.index + piece.length;
  }
  made.push(text.slice(from));
  return made;
};

const table = (page: Page, line: Line, highlighter: Highlighter | null): HTMLElement => {
  const names = [...fieldsOf(line).keys()].sort((one, other) => rank(one) - rank(other) || one.localeCompare(other));
  const rows: [string, unknown][] = [
    ["_index", line.stream], ["_id", line.id],
    ...(fieldsOf(line).has("@timestamp") ? [] : [["@timestamp", line.time] as [string, unknown]]),
    ...names.map((name) => [name, fieldsOf(line).get(name)] as [string, unknown]),
  ];
  const columns = new Set(page.columns().map(({ name }) => name));
  const body = h("tbody", {}, ...rows.map(([name, value]) => fieldRow(page, name, value, columns.has(name), highlighter)));
  const made = h("table", { class: "detail-table" }, h("thead", { class: "visually-hidden" }, h("tr", {}, h("th", { scope: "col" }, "Actions"), h("th", { scope: "col" }, "Field"), h("th", { scope: "col" }, "Value"))), body);
  if (rows.length <= 24) return made;
  const filter = h("input", { class: "input detail-filter", type: "search", placeholder: `Find in ${rows.length} fields`, "aria-label": "Find a field or value of this line", input: () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of body.rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  } });
  return h("div", {}, filter, made);
};

const rank = (name: string): number => ["@timestamp", "message", "level", "log.level", "service", "service.name", "host", "host.name"].indexOf(name) >>> 0;

const fieldRow = (page: Page, name: string, value: unknown, column: boolean, highlighter: Highlighter | null): HTMLElement => {
  const text = shown(value);
  const put = h("td", { class: "detail-value" });
  (highlighter?.split(name, text) ?? [text]).forEach((piece, place) => piece && put.append(place % 2 ? h("mark", {}, piece) : piece));
  const kind = KIND(value);
  const toggle = iconButton("columns-3", column ? `Remove the column ${name}` : `Show ${name} as a column`, () => page.toggleColumn(name));
  toggle.setAttribute("aria-pressed", String(column));
  return h("tr", {},
    h("td", { class: "detail-tools" },
      iconButton("circle-plus", `Filter for ${name}`, () => page.addFilter(forValue(name, value))),
      iconButton("circle-minus", `Filter out ${name}`, () => page.addFilter(forValue(name, value, true))),
      iconButton("asterisk", `Only lines that have ${name}`, () => page.addFilter({ field: name, op: "exists" })),
      toggle,
      iconButton("copy", `Copy ${name}`, () => void copy(text, "Value"))),
    h("th", { scope: "row" }, h("span", { class: "detail-name" }, h("span", { class: `kind ${kind}`, title: kind }), h("span", { class: "wrap" }, name))),
    put);
};

/** For a drawer: one line with everything. */
export const wholeLine = (page: Page, line: Line): HTMLElement =>
  h("div", { class: "lx-whole" },
    h("dl", { class: "facts" },
      h("dt", {}, "Time"), h("dd", { class: "num" }, page.zone.long(line.ts_ms)),
      h("dt", {}, "Received"), h("dd", { class: "num" }, page.zone.long(line.received_ms)),
      h("dt", {}, "Stream"), h("dd", { class: "mono" }, line.stream)),
    h("pre", { class: "code lx-whole-message", tabindex: 0, role: "region", "aria-label": "Message" }, shown(valueOf(line, "message"))),
    h("div", { role: "table", "aria-label": "Line" }, detail(page, line, null)));
