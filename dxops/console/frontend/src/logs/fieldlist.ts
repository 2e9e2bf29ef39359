/** The fields that documents have: searched, opened for their top values, put into columns. */
import { ask, aborted, told } from "./api.ts";
import { h, icon, iconButton, need } from "./dom.ts";
import { count, figure, share, short } from "./numbers.ts";
import type { Page } from "./page.ts";
import type { FieldInfo, Values } from "./types.ts";

const MOST = 200;
const FIRST = ["level", "service", "host", "environment", "message"];

export const kindOf = (field: FieldInfo): string =>
  field.name === "@timestamp" ? "time" : field.conflict ? "conflict" : (field.kinds.find((kind) => kind !== "list" && kind !== "inner") ?? field.kinds[0] ?? "text");

/** Top values with a bar each and filters, and the statistics of numbers. */
export const valueList = (page: Page, field: string, found: Values): HTMLElement => {
  const most = Math.max(1, found.having);
  const box = h("div", { class: "top-values" });
  if (found.values.length === 0) box.append(h("p", { class: "tiny faint" }, "No line in this range has it."));
  else
    box.append(
      h("ul", {}, ...found.values.map(({ value, count: n }) =>
        h("li", {},
          h("div", { class: "top-line" }, h("span", { class: "clip mono", title: value }, value || "(empty)"), h("span", { class: "num faint", title: count(n) }, share(n, most)),
            iconButton("circle-plus", `Filter for ${field}: ${value}`, () => page.addFilter({ field, op: "is", value })),
            iconButton("circle-minus", `Filter out ${field}: ${value}`, () => page.addFilter({ field, op: "is_not", value }))),
          h("progress", { max: most, value: n, "aria-label": `Share of ${value}` })))),
    );
  if (found.numbers && found.numbers.count > 0) {
    const { least, mean, p50, p95, p99, greatest } = found.numbers;
    box.append(h("dl", { class: "number-stats" }, ...([["min", least], ["mean", mean], ["p50", p50], ["p95", p95], ["p99", p99], ["max", greatest]] as const).flatMap(([name, value]) =>
      [h("div", {}, h("dt", {}, name), h("dd", { class: "num" }, figure(value)))])));
  }
  box.append(h("p", { class: "tiny faint" },
    `${count(found.distinct)} distinct, in ${share(found.having, Math.max(1, found.documents))} of ${found.sampled ? `the newest ${short(found.documents)}` : count(found.documents)} lines`));
  return box;
};

export class FieldList {
  readonly #page: Page;
  readonly #box = need("lx-field-list");
  readonly #search = need<HTMLInputElement>("lx-field-search");
  readonly #note = need("lx-field-note");
  #open = "";
  #coming: Promise<void> = Promise.resolve();
  fields: FieldInfo[] = [];
  /** Called when other fields have come. */
  changed: () => void = () => undefined;

  constructor(page: Page) {
    this.#page = page;
    this.#search.addEventListener("input", () => this.draw());
  }

  /** The fields, once those that are on their way have come. */
  async known(): Promise<readonly FieldInfo[]> {
    await this.#coming;
    return this.fields;
  }

  load(): Promise<void> {
    this.#coming = this.#load();
    return this.#coming;
  }

  async #load(): Promise<void> {
    const query = this.#page.query();
    // of the streams and the days, whatever is searched for
    query.delete("query");
    query.delete("filter");
    try {
      const { items } = await ask<{ items: FieldInfo[] }>("fields", "fields", query);
      this.fields = items;
      this.#note.textContent = "";
      this.draw();
      this.changed();
      if (this.#open) void this.#fill(this.#open);
    } catch (error) {
      if (!aborted(error)) this.#note.textContent = told(error).message;
    }
  }

  draw(): void {
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const columns = this.#page.columns().map(({ name }) => name);
    const rank = ({ name }: FieldInfo): number => (columns.includes(name) ? columns.indexOf(name) : FIRST.includes(name) ? 20 + FIRST.indexOf(name) : 99);
    const known = new Set(this.fields.map(({ name }) => name));
    const own = columns.filter((name) => !known.has(name)).map((name): FieldInfo => ({ name, kinds: ["text"], documents: 0, conflict: false }));
    const fits = [...own, ...this.fields].filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
    const picked = fits.filter(({ name }) => columns.includes(name)).sort((one, other) => rank(one) - rank(other));
    const rest = fits.filter(({ name }) => !columns.includes(name)).sort((one, other) => rank(one) - rank(other) || other.documents - one.documents);
    const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>("[data-field-row]")?.dataset["fieldRow"];
    const group = (title: string, fields: FieldInfo[]): Node[] =>
      fields.length === 0 ? [] : [h("h2", { class: "field-group" }, title, h("span", { class: "faint num" }, ` ${fields.length}`)), h("ul", {}, ...fields.slice(0, MOST).map((field) => this.#row(field, columns.includes(field.name))))];
    this.#box.replaceChildren(...group("Columns", picked), ...group("Fields", rest));
    if (rest.length > MOST) this.#box.append(h("p", { class: "tiny faint field-more" }, `${count(rest.length - MOST)} more; type a part of the name`));
    if (fits.length === 0) this.#box.append(h("p", { class: "tiny faint field-more" }, this.fields.length ? "No field by that name." : "No fields in this range."));
    if (focused) this.#box.querySelector<HTMLElement>(`[data-field-row="${CSS.escape(focused)}"] .field-name`)?.focus();
  }

  #row(field: FieldInfo, column: boolean): HTMLElement {
    const { name } = field;
    const kind = kindOf(field);
    const open = this.#open === name;
    const toggle = iconButton(column ? "x" : "plus", column ? `Remove the column ${name}` : `Show ${name} as a column`, () => this.#page.toggleColumn(name), "field-add");
    const row = h("li", { class: "field-row", "data-field-row": name },
      h("div", { class: "field-head" },
        h("button", { type: "button", class: "field-name", "aria-expanded": String(open), click: () => this.#toggle(name) },
          h("span", { class: `kind ${kind}`, role: "img", "aria-label": kind === "conflict" ? `kinds differ: ${field.kinds.join(", ")}` : kind, "data-tip": kind === "conflict" ? `Senders disagree: ${field.kinds.join(", ")}. Every value is kept and searched as it was sent.` : "" }),
          h("span", { class: "clip", title: name }, name)),
        h("span", { class: "field-count num faint" }, field.documents ? short(field.documents) : ""),
        toggle));
    if (open) row.append(h("div", { class: "field-values", "data-values": name }, h("span", { class: "skeleton" }, " "), h("span", { class: "skeleton" }, " ")));
    return row;
  }

  #toggle(name: string): void {
    this.#open = this.#open === name ? "" : name;
    this.draw();
    this.#box.querySelector<HTMLElement>(`[data-field-row="${CSS.escape(name)}"] .field-name`)?.focus();
    if (this.#open) void this.#fill(name);
  }

  async #fill(name: string): Promise<void> {
    const box = (): HTMLElement | null => this.#box.querySelector(`[data-values="${CSS.escape(name)}"]`);
    try {
      const found = await ask<Values>("field-values", `fields/${encodeURIComponent(name)}/values`, this.#page.query({ limit: "5" }));
      box()?.replaceChildren(
        valueList(this.#page, name, found),
        h("div", { class: "row gap-1" },
          h("button", { type: "button", class: "button quiet small", click: () => this.#page.addFilter({ field: name, op: "exists" }) }, icon("asterisk"), "Exists"),
          h("button", { type: "button", class: "button quiet small", click: () => this.#page.go({ by: name }) }, icon("chart-column"), "Break down")));
    } catch (error) {
      if (!aborted(error)) box()?.replaceChildren(h("p", { class: "error tiny" }, told(error).message));
    }
  }
}
