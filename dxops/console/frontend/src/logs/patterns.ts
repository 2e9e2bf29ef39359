/** Lines that differ only in variables, counted. */
import { aborted, ask, told } from "./api.ts";
import { h, icon, iconButton, need } from "./dom.ts";
import { levelOf } from "./document.ts";
import { count, share } from "./numbers.ts";
import type { Page } from "./page.ts";
import type { PatternRow } from "./types.ts";

const VARIABLE = "<*>";

export interface PatternAnswer {
  items: PatternRow[];
  sampled: boolean;
  took_ms: number;
  sql: string;
}

const template = (text: string): HTMLElement =>
  h("span", { class: "pattern" }, ...text.slice(0, 600).split(VARIABLE).flatMap((piece, index) => (index ? [h("span", { class: "variable", title: "differs from line to line" }, "∗"), piece] : [piece])));

/** `query` of a pattern, narrowing what is asked already. */
export const narrowed = (q: string, added: string): string => {
  const kept = q.trim();
  return kept ? `(${kept}) and (${added})` : added;
};

export class Patterns {
  readonly #page: Page;
  readonly #box = need("lx-patterns");
  answer: PatternAnswer | null = null;

  constructor(page: Page) {
    this.#page = page;
  }

  async load(): Promise<void> {
    const page = this.#page;
    this.#box.setAttribute("aria-busy", "true");
    try {
      this.answer = await ask<PatternAnswer>("patterns", "patterns", page.query({ limit: "100" }));
      this.#draw(this.answer);
    } catch (error) {
      if (aborted(error)) return;
      const { message, hint } = told(error);
      this.#box.replaceChildren(h("div", { class: "empty" }, h("h3", {}, message), h("p", {}, hint)));
    } finally {
      this.#box.setAttribute("aria-busy", "false");
    }
  }

  #draw({ items, sampled }: PatternAnswer): void {
    const page = this.#page;
    if (items.length === 0) {
      this.#box.replaceChildren(h("div", { class: "empty" }, h("h3", {}, "No patterns"), h("p", {}, "No line in this range has a message.")));
      return;
    }
    const sum = items.reduce((all, one) => all + one.count, 0);
    const most = Math.max(...items.map((one) => one.count));
    this.#box.replaceChildren(
      h("p", { class: "lx-tab-note" }, `${count(items.length)} ${items.length === 1 ? "pattern" : "patterns"}${sampled ? ", from a sample of the newest lines" : ""}. ∗ stands for what differs.`),
      h("table", { class: "pattern-table" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "num" }, "Lines"), h("th", { scope: "col" }, "Share"), h("th", { scope: "col" }, "Level"), h("th", { scope: "col" }, "Pattern"), h("th", { scope: "col" }, "Last"), h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Actions")))),
        h("tbody", {}, ...items.map((one) => {
          const query = one.query;
          return h("tr", {},
            h("td", { class: "num pattern-count" }, count(one.count)),
            h("td", { class: "pattern-share" }, h("progress", { max: most, value: one.count, "aria-label": "Share of lines" }), h("span", { class: "num faint" }, share(one.count, sum))),
            h("td", { class: "pattern-levels" }, ...one.levels.filter(Boolean).slice(0, 2).map((level) => h("span", { class: `severity ${levelOf(level)}` }, level))),
            h("td", { class: "pattern-text" }, template(one.template), h("details", {}, h("summary", {}, "Example"), h("pre", { class: "wrap" }, one.example.slice(0, 4000)))),
            h("td", { class: "num nowrap faint pattern-last" }, page.zone.split(one.last_ms).join(" ").replace(/\.\d+$/, "")),
            h("td", { class: "pattern-tools" }, ...(query
              ? [iconButton("circle-plus", "Show these lines", () => page.go({ q: narrowed(page.state.q, query), lang: "kql", tab: "lines" })),
                 iconButton("circle-minus", "Leave these lines out", () => page.go({ q: narrowed(page.state.q, `not (${query})`), lang: "kql" }))]
              : [h("span", { class: "faint", "data-tip": "Nothing in it is constant enough to search for", tabindex: 0 }, icon("ban"))])));
        }))));
  }
}
