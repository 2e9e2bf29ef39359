/** Every field of what was found, with its top values: filled as one scrolls. */
import { aborted, ask, told } from "./api.ts";
import { h, need } from "./dom.ts";
import { kindOf, valueList } from "./fieldlist.ts";
import { count } from "./numbers.ts";
import type { Page } from "./page.ts";
import type { FieldInfo, Values } from "./types.ts";

const MOST = 200;
const AT_ONCE = 2;

export class Statistics {
  readonly #page: Page;
  readonly #box = need("lx-statistics");
  #queue: [string, HTMLElement][] = [];
  #running = 0;
  #turn = 0;
  readonly #watch: IntersectionObserver;

  constructor(page: Page) {
    this.#page = page;
    this.#watch = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting || !(target instanceof HTMLElement)) continue;
        this.#watch.unobserve(target);
        this.#queue.push([target.dataset["statistics"] ?? "", target]);
        this.#work();
      }
    }, { root: this.#box, rootMargin: "200px" });
  }

  show(fields: readonly FieldInfo[]): void {
    this.#turn += 1;
    this.#queue = [];
    this.#watch.disconnect();
    const shown = fields.filter(({ name }) => name !== "@timestamp" && name !== "message").slice(0, MOST);
    if (shown.length === 0) {
      this.#box.replaceChildren(h("div", { class: "empty" }, h("h3", {}, "No fields"), h("p", {}, "No line in this range has one.")));
      return;
    }
    this.#box.replaceChildren(
      h("p", { class: "lx-tab-note" }, `${count(fields.length)} ${fields.length === 1 ? "field" : "fields"}${fields.length > MOST ? `, the ${MOST} most frequent shown` : ""}, of the lines that the query and the filters leave.`),
      h("div", { class: "statistics" }, ...shown.map((field) => {
        const body = h("div", { class: "stack-tight" }, h("span", { class: "skeleton" }, " "), h("span", { class: "skeleton" }, " "));
        const card = h("section", { class: "statistic", "data-statistics": field.name, "aria-label": field.name },
          h("h2", {}, h("span", { class: `kind ${kindOf(field)}`, title: field.kinds.join(", ") }), h("span", { class: "clip", title: field.name }, field.name), field.conflict ? h("span", { class: "badge warn" }, field.kinds.join(", ")) : null), body);
        this.#watch.observe(card);
        return card;
      })));
  }

  #work(): void {
    while (this.#running < AT_ONCE) {
      const next = this.#queue.shift();
      if (!next) return;
      this.#running += 1;
      void this.#fill(...next, this.#turn).finally(() => {
        this.#running -= 1;
        this.#work();
      });
    }
  }

  async #fill(name: string, card: HTMLElement, turn: number): Promise<void> {
    const body = card.lastElementChild;
    try {
      const found = await ask<Values>(`statistics:${name}`, `fields/${encodeURIComponent(name)}/values`, this.#page.query({ limit: "5" }));
      if (turn === this.#turn) body?.replaceChildren(valueList(this.#page, name, found));
    } catch (error) {
      if (!aborted(error)) body?.replaceChildren(h("p", { class: "error tiny" }, told(error).message));
    }
  }
}
