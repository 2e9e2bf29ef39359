/** What the page says of itself: loading, counts, nothing found, errors, the live tail. */
import type { Problem } from "./api.ts";
import { h, icon, need } from "./dom.ts";
import { count, short } from "./numbers.ts";
import type { Page } from "./page.ts";
import type { Streams } from "./streams.ts";
import type { Tail } from "./tail.ts";
import { describeRange } from "./time.ts";
import type { Found, State } from "./types.ts";

const WIDER: readonly (readonly [string, string])[] = [["now-24h", "Last 24 hours"], ["now-7d", "Last 7 days"], ["now-30d", "Last 30 days"]];

export class Status {
  readonly #page: Page;
  readonly #root = need("lx");
  readonly #total = need("lx-total");
  readonly #empty = need("lx-empty");
  readonly #note = need("lx-note");
  #timer = 0;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Marks the tab that is open and what is switched on. */
  state(): void {
    const { tab, wrap, live, by } = this.#page.state;
    for (const name of ["lines", "patterns", "fields"] as const) {
      const one = need(`lx-tab-${name}`);
      one.setAttribute("aria-selected", String(name === tab));
      one.tabIndex = name === tab ? 0 : -1;
      need(`lx-panel-${name}`).hidden = name !== tab;
    }
    need("lx-wrap").setAttribute("aria-pressed", String(wrap));
    need("lx-live").setAttribute("aria-pressed", String(live));
    need("lx-by-label").textContent = by || "nothing";
    this.#root.toggleAttribute("data-live", live);
  }

  loading(on: boolean): void {
    window.clearTimeout(this.#timer);
    this.#root.setAttribute("aria-busy", String(on));
    // a quick answer shall not flicker
    if (on) this.#timer = window.setTimeout(() => this.#root.toggleAttribute("data-loading", true), 120);
    else this.#root.toggleAttribute("data-loading", false);
  }

  async found(found: Found, streams: Streams): Promise<void> {
    this.note("");
    this.#empty.hidden = true;
    this.#sum(found);
    this.end(found.items.length, found.next !== null);
    this.#root.toggleAttribute("data-new", false);
    if (found.items.length > 0) return;
    const known = streams.known.length ? streams.known : await streams.load().catch(() => null);
    if (found !== this.#page.found) return;
    if (known?.every(({ documents }) => documents === 0)) this.#root.toggleAttribute("data-new", true);
    else this.#nothing(known?.length ? Math.max(...known.map(({ last_ms }) => last_ms)) : null);
  }

  #sum(found: Found): void {
    // the histogram counts exactly where the search stopped counting
    const exact = found.total_relation === "gte" ? this.#page.counts?.total : found.total;
    const total = exact ?? found.total ?? found.items.length;
    this.#total.replaceChildren(
      h("strong", { class: "num" }, `${count(total)}${exact === undefined || exact === null ? "+" : ""}`), total === 1 ? " line" : " lines",
      h("span", { class: "faint num lx-took" }, ` in ${count(Math.round(found.took_ms))} ms`));
  }

  counted(): void {
    const { found } = this.#page;
    need("lx-chart-error").hidden = true;
    if (found) this.#sum(found);
  }

  uncounted(problem: Problem): void {
    const box = need("lx-chart-error");
    box.hidden = problem.field === "query";
    box.textContent = problem.message;
  }

  shown(lines: number): void {
    this.#empty.hidden = lines > 0;
    this.#root.toggleAttribute("data-new", false);
  }

  end(lines: number, more: boolean): void {
    need("lx-end").textContent = more && lines >= 10_000 ? `The first ${count(lines)} lines. Narrow the range, or export to have them all.` : "";
  }

  #nothing(last: number | null): void {
    const page = this.#page;
    const { q, filters, stream, from, to } = page.state;
    const go = (label: string, patch: Partial<State>): HTMLElement => h("button", { type: "button", class: "button small", click: () => page.go(patch) }, label);
    const on = filters.filter((one) => !one.off);
    this.#empty.replaceChildren(
      icon("search", false),
      h("h3", {}, q || on.length || stream.length ? "No line matches" : "No lines in this range"),
      h("p", {}, `Range: ${describeRange(from, to, page.zone)}. ${last ? `The newest line of all streams is of ${page.zone.long(last)}.` : ""}`),
      h("div", { class: "row loose lx-empty-actions" },
        ...WIDER.filter(([start]) => start !== from).map(([start, label]) => go(label, { from: start, to: "now" })),
        last ? go("Around the newest line", { from: new Date(last - 900_000).toISOString(), to: new Date(last + 1000).toISOString(), live: false }) : null,
        on.length ? go("Without filters", { filters: [] }) : null,
        q ? go("Without the query", { q: "" }) : null,
        stream.length ? go("In all streams", { stream: [] }) : null));
    this.#empty.hidden = false;
  }

  failed(problem: Problem): void {
    const { found } = this.#page;
    const narrower = problem.code === "too_large" || problem.code === "timeout" || problem.status === 413;
    const words = [problem.message, problem.hint || (narrower ? "Narrow the range, or ask for less." : "")].filter(Boolean);
    const query = problem.field === "query";
    if (!query) this.note(words.join(". "), "bad");
    if (found) return; // what was found before stays; what is wrong with a query is said below it
    this.#total.textContent = "";
    this.#empty.replaceChildren(
      icon(problem.code === "offline" || problem.status === 503 ? "wifi-off" : "circle-alert", false),
      h("h3", {}, query ? "The query cannot be read" : problem.message), h("p", {}, query ? "The bar above says where. Correct it and search again." : problem.hint),
      ...(query ? [] : [h("button", { type: "button", class: "button small", click: () => this.#page.refresh() }, "Try again")]));
    this.#empty.hidden = false;
    this.note("");
  }

  note(text: string, tone: "bad" | "warn" = "warn"): void {
    this.#note.hidden = !text;
    this.#note.className = `lx-note ${tone}`;
    this.#note.textContent = text ? text.slice(0, 1).toUpperCase() + text.slice(1) : "";
  }

  tail(tail: Tail): void {
    const bar = need("lx-tail");
    const live = this.#page.state.live;
    bar.hidden = !live;
    if (!live) return;
    const state = !tail.connected ? "Connecting" : tail.paused ? "Paused" : "Live";
    const sign = need("lx-tail-state");
    sign.dataset["state"] = tail.connected && !tail.paused ? "on" : "off";
    need("lx-tail-word").textContent = state;
    const fresh = need<HTMLButtonElement>("lx-tail-new");
    fresh.hidden = !tail.paused || tail.unseen === 0;
    need("lx-tail-count").textContent = `${short(tail.unseen)} new ${tail.unseen === 1 ? "line" : "lines"}`;
    const pause = need<HTMLButtonElement>("lx-tail-pause");
    pause.replaceChildren(icon(tail.paused ? "play" : "pause"), tail.paused ? "Resume" : "Pause");
    need("lx-tail-skipped").textContent = tail.skipped ? `${count(tail.skipped)} came too fast to show: filter, or search for them` : "";
    this.#root.toggleAttribute("data-paused", tail.paused);
  }
}
