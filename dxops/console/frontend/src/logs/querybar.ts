/** The query: completion while typing, its language, and errors underlined where they are. */
import { ask, type Problem } from "./api.ts";
import { combobox, type Suggestion } from "./combobox.ts";
import { h, need } from "./dom.ts";
import type { Page } from "./page.ts";
import { toPoints, toUnits } from "./points.ts";
import { popover } from "./popover.ts";
import { recent } from "./recent.ts";
import type { Completion, State } from "./types.ts";

const HELP: Record<State["lang"], readonly (readonly [string, string])[]> = {
  kql: [
    ["connection refused", "either word, in any field"], ['"connection refused"', "the two words in this order"],
    ["level: error", "a field has this value"], ["service: (web or api)", "one of these"], ["host: kube-*", "begins with"],
    ["status >= 500", "numbers and dates: > >= < <="], ["user.id: *", "the field exists"], ["not level: debug", "everything else"],
    ["level: error and not service: ads", "and, or, not, ( )"],
  ],
  lucene: [
    ["connection refused", "either word, in any field"], ['"connection refused"', "the two words in this order"],
    ["level:error", "a field has this value"], ["service:(web OR api)", "one of these"], ["host:kube-*", "begins with; ? is one character"],
    ["status:[500 TO 599]", "between; {} leave the ends out"], ["_exists_:user.id", "the field exists"],
    ["path:/v[0-9]+/", "a regular expression, of whole words"], ["conection~1", "a letter may differ"], ["+level:error -service:ads", "must, must not"],
  ],
};

const context = document.createElement("canvas").getContext("2d");

export class QueryBar {
  readonly #page: Page;
  readonly #input = need<HTMLInputElement>("lx-query");
  readonly #note = need("lx-query-note");
  readonly #mark = need("lx-query-mark");
  readonly #lang = need<HTMLButtonElement>("lx-lang");
  readonly #combo: ReturnType<typeof combobox>;
  #problem: Problem | null = null;

  constructor(page: Page) {
    this.#page = page;
    this.#combo = combobox(this.#input, {
      label: "Suggestions for the query",
      suggest: (text, cursor) => this.#suggest(text, cursor),
      submit: () => this.submit(),
      changed: () => {
        this.problem(null);
        this.#dirty();
      },
    });
    need("lx-run").addEventListener("click", () => this.submit());
    this.#lang.addEventListener("click", () => this.#chooseLanguage());
    this.#input.addEventListener("scroll", () => this.#underline());
    new ResizeObserver(() => this.#underline()).observe(this.#input);
  }

  get text(): string {
    return this.#input.value;
  }

  show(state: State): void {
    if (this.#input.value !== state.q) this.#input.value = state.q;
    need("lx-lang-name").textContent = state.lang === "kql" ? "KQL" : "Lucene";
    this.#dirty();
  }

  focus(): void {
    this.#input.focus();
    this.#input.select();
  }

  submit(): void {
    this.#combo.close();
    if (this.#input.value === this.#page.state.q) this.#page.refresh();
    else this.#page.go({ q: this.#input.value });
    this.#dirty();
  }

  /** Shows what is wrong with the query, or nothing. */
  problem(problem: Problem | null): void {
    if (!problem && !this.#problem) return;
    this.#problem = problem;
    this.#input.toggleAttribute("aria-invalid", false);
    if (problem) this.#input.setAttribute("aria-invalid", "true");
    this.#note.replaceChildren(...(problem ? [h("strong", {}, sentence(problem.message)), problem.hint ? ` ${sentence(problem.hint)}` : ""] : []));
    this.#note.hidden = !problem;
    this.#underline();
  }

  #dirty(): void {
    need("lx-run").toggleAttribute("data-dirty", this.#input.value !== this.#page.state.q);
  }

  #underline(): void {
    const at = this.#problem?.position;
    this.#mark.hidden = at === null || at === undefined;
    if (at === null || at === undefined || !context) return;
    const style = getComputedStyle(this.#input);
    context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const text = this.#input.value;
    const begin = toUnits(text, at);
    const end = toUnits(text, at + Math.max(1, this.#problem?.length ?? 1));
    const from = context.measureText(text.slice(0, begin)).width;
    const width = Math.max(8, context.measureText(text.slice(begin, end)).width);
    const left = parseFloat(style.paddingLeft) + from - this.#input.scrollLeft;
    this.#mark.style.left = `${Math.max(0, left)}px`;
    this.#mark.style.width = `${Math.max(0, Math.min(width, this.#input.clientWidth - left))}px`;
  }

  async #suggest(text: string, cursor: number): Promise<Suggestion[]> {
    const past: Suggestion[] = text.trim()
      ? []
      : recent().filter((one) => one !== this.#page.state.q).slice(0, 4).map((one) => ({ kind: "recent", label: one, text: one, cursor: one.length, about: "recent" }));
    const query = this.#page.query({ text, cursor: String(toPoints(text, cursor)) });
    query.delete("query");
    query.set("lang", this.#page.state.lang);
    const { items } = await ask<{ items: Completion[] }>("complete", "complete", query);
    return [
      ...past,
      ...items.slice(0, 30).map(({ kind, label, insert, replace, about }) => {
        const [start, end] = [toUnits(text, replace[0]), toUnits(text, replace[1])];
        return {
          kind, label, ...(about ? { about } : {}), again: kind !== "value",
          text: text.slice(0, start) + insert + text.slice(end), cursor: start + insert.length,
        };
      }),
    ];
  }

  #chooseLanguage(): void {
    const { lang } = this.#page.state;
    const close = popover(
      this.#lang,
      h("div", { class: "lx-lang-panel" },
        h("div", { class: "segmented", role: "radiogroup", "aria-label": "Query language" },
          ...(["kql", "lucene"] as const).map((one) =>
            h("label", {}, h("input", { type: "radio", name: "lx-lang", value: one, checked: one === lang, change: () => {
              close();
              this.#page.go({ lang: one, q: this.#input.value });
              this.#input.focus();
            } }), one === "kql" ? "KQL" : "Lucene"))),
        h("table", { class: "lx-help" }, h("tbody", {}, ...HELP[lang].map(([example, meaning]) =>
          h("tr", {}, h("th", { scope: "row" }, h("button", { type: "button", class: "lx-example", "data-tip": "Put it into the query", click: () => {
            close();
            this.#input.value = this.#input.value.trim() ? `${this.#input.value.trim()} ${lang === "kql" ? "and" : "AND"} ${example}` : example;
            this.problem(null);
            this.#dirty();
            this.#input.focus();
          } }, example)), h("td", {}, meaning))))),
      ),
      { label: "Query language", kind: "lx-lang-pop" },
    );
  }
}

const sentence = (text: string): string => {
  const large = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(large) ? large : `${large}.`;
};
