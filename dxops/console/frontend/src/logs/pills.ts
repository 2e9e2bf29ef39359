/** The filters in force: each a pill with its menu, and the editor that makes them. */
import { ask } from "./api.ts";
import { combobox, type Suggestion } from "./combobox.ts";
import { h, icon, need } from "./dom.ts";
import { shown, valueOf } from "./document.ts";
import { described, fromForm, negated, OPS } from "./filters.ts";
import { count } from "./numbers.ts";
import type { Page } from "./page.ts";
import { closePopover, menu, popover } from "./popover.ts";
import type { FieldInfo, Filter, Line, Op, Values } from "./types.ts";

export class Pills {
  readonly #page: Page;
  readonly #box = need("lx-pills");
  readonly #add = need<HTMLButtonElement>("lx-add-filter");
  /** The names to suggest, as the field list knows them. */
  fields: () => Promise<readonly FieldInfo[]> = () => Promise.resolve([]);

  constructor(page: Page) {
    this.#page = page;
    this.#add.addEventListener("click", () => this.edit(this.#add, null));
  }

  show(): void {
    const { filters, stream } = this.#page.state;
    const pills = filters.map((filter, index) => this.#pill(filter, index));
    this.#box.replaceChildren(
      ...pills,
      ...(filters.filter((one) => !one.pin).length > 1 ? [h("button", { type: "button", class: "button quiet small", click: () => this.#page.go({ filters: filters.filter((one) => one.pin) }) }, "Clear all")] : []),
    );
    need("lx-streams-label").textContent = stream.length === 0 ? "All streams" : stream.length === 1 ? (stream[0] ?? "") : `${stream[0]} + ${stream.length - 1}`;
  }

  #pill(filter: Filter, index: number): HTMLElement {
    const { not, field, value } = described(filter);
    const words = `${filter.pin ? "pinned: " : ""}${filter.off ? "disabled: " : ""}${not ? "not " : ""}${field}: ${value}`;
    const button = h("button", { type: "button", class: "pill-main", "aria-haspopup": "menu", "aria-expanded": "false", title: words, click: () => this.#menu(button, filter, index) },
      filter.pin ? icon("pin") : null,
      h("span", { class: "visually-hidden" }, `${filter.pin ? "Pinned " : ""}${filter.off ? "disabled " : ""}filter `),
      not ? h("span", { class: "not" }, "not ") : null, h("span", { class: "name" }, `${field}: `), h("b", {}, value));
    return h("span", { class: `pill${filter.off ? " off" : ""}${filter.pin ? " pinned" : ""}`, "data-pill": true }, button,
      h("button", { type: "button", class: "remove", "aria-label": `Remove the filter ${words}`, click: () => this.#put(index, null) }, icon("x")));
  }

  #put(index: number, filter: Filter | null): void {
    const { filters } = this.#page.state;
    this.#page.go({ filters: filters.flatMap((one, place) => (place === index ? (filter ? [filter] : []) : [one])) });
  }

  #menu(anchor: HTMLElement, filter: Filter, index: number): void {
    const { off: _off, ...rest } = filter;
    const { pin: _pin, ...loose } = filter;
    menu(anchor, "Filter", [
      { label: "Edit", icon: "pencil", run: () => this.edit(anchor, filter, index) },
      { label: ["is_not", "not_one_of", "not_exists", "not_range"].includes(filter.op) ? "Include instead" : "Exclude instead", icon: "equal-not", run: () => this.#put(index, negated(filter)) },
      { label: filter.off ? "Enable" : "Disable", icon: filter.off ? "eye" : "eye-off", run: () => this.#put(index, filter.off ? rest : { ...filter, off: true }) },
      { label: filter.pin ? "Unpin" : "Pin: keep it in other searches", icon: "pin", run: () => this.#put(index, filter.pin ? loose : { ...filter, pin: true }) },
      { label: "Only this one", icon: "list-filter", run: () => this.#page.go({ filters: this.#page.state.filters.flatMap((one, place) => (place === index ? [rest] : one.pin ? [one] : [])) }) },
      null,
      { label: "Remove", icon: "trash-2", danger: true, run: () => this.#put(index, null) },
    ]);
  }

  /** Makes a filter, or changes the one at `index`. `line`: whose values to begin with. */
  edit(anchor: HTMLElement, filter: Filter | null, index = -1, line: Line | null = null): void {
    const field = h("input", { class: "input mono", value: filter?.field ?? "", placeholder: "Field", "aria-label": "Field" });
    const operator = h("select", { class: "input", "aria-label": "Operator" }, ...OPS.map(({ op, label }) => h("option", { value: op, selected: op === (filter?.op ?? "is") }, label)));
    const start = filter?.values ? filter.values.join(", ") : filter?.value !== undefined ? String(filter.value) : "";
    const value = h("input", { class: "input mono", value: start, placeholder: "Value", "aria-label": "Value" });
    const low = h("input", { class: "input mono", value: filter?.gte ?? filter?.gt ?? "", placeholder: "from", "aria-label": "At least" });
    const high = h("input", { class: "input mono", value: filter?.lte ?? filter?.lt ?? "", placeholder: "to", "aria-label": "At most" });
    const error = h("p", { class: "error tiny", role: "alert" });
    const values = h("div", { class: "combo" }, value);
    const bounds = h("div", { class: "row" }, low, high);
    const follow = (): void => {
      const op = operator.value;
      values.hidden = op.endsWith("exists") || op.endsWith("range");
      bounds.hidden = !op.endsWith("range");
    };
    operator.addEventListener("change", follow);
    const form = h("form", { class: "lx-filter-form", submit: (event: Event) => {
      event.preventDefault();
      const made = fromForm(field.value, operator.value as Op, value.value, low.value, high.value);
      if (typeof made === "string") {
        error.textContent = made;
        return;
      }
      closePopover(true);
      if (index >= 0) this.#put(index, filter?.pin ? { ...made, pin: true } : made);
      else this.#page.addFilter(made);
    } },
      h("div", { class: "combo" }, field), operator, values, bounds, error,
      h("div", { class: "row lx-form-foot" }, h("button", { type: "button", class: "button quiet small", click: () => closePopover(true) }, "Cancel"), h("button", { type: "submit", class: "button primary small" }, index >= 0 ? "Change" : "Add filter")));
    follow();
    popover(anchor, form, { label: index >= 0 ? "Change the filter" : "Add a filter", kind: "lx-filter-pop" });
    combobox(field, {
      label: "Fields", delay: 0,
      suggest: (text) => this.#names(text, line),
      accepted: () => {
        if (line && !value.value) value.value = shown(valueOf(line, field.value));
        operator.focus();
      },
      submit: () => form.requestSubmit(),
    });
    combobox(value, {
      label: "Values", delay: 120,
      suggest: (text) => (operator.value.endsWith("one_of") ? Promise.resolve([]) : this.#values(field.value, text)),
      submit: () => form.requestSubmit(),
    });
    (filter ? value : field).focus();
  }

  async #names(text: string, line: Line | null): Promise<Suggestion[]> {
    const wanted = text.toLowerCase();
    return (await this.fields())
      .filter(({ name }) => name.toLowerCase().includes(wanted) && (!line || valueOf(line, name) !== undefined))
      .slice(0, 50)
      .map(({ name, kinds }) => ({ kind: "field", label: name, about: kinds.join(", "), text: name, cursor: name.length }));
  }

  async #values(field: string, prefix: string): Promise<Suggestion[]> {
    if (!field.trim()) return [];
    const query = this.#page.query({ prefix, limit: "20" });
    const found = await ask<Values>("filter-values", `fields/${encodeURIComponent(field.trim())}/values`, query);
    return found.values.map(({ value, count: n }) => ({ kind: "value", label: value, about: count(n), text: value, cursor: value.length }));
  }
}
