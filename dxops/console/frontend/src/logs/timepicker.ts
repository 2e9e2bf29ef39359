/** When: usual ranges, so long ago, from and to by the calendar, or date math; the zone; refreshing by itself. */
import { h, need } from "./dom.ts";
import type { Page } from "./page.ts";
import { closePopover, popover } from "./popover.ts";
import { absolute, browserZone, describeRange, isMoment, isRelative, QUICK } from "./time.ts";

const EVERY: readonly (readonly [number, string])[] = [[0, "Off"], [5, "5 s"], [10, "10 s"], [30, "30 s"], [60, "1 min"], [300, "5 min"]];
const UNITS = [["s", "seconds"], ["m", "minutes"], ["h", "hours"], ["d", "days"], ["w", "weeks"], ["M", "months"]] as const;

export class TimePicker {
  readonly #page: Page;
  readonly #button = need<HTMLButtonElement>("lx-time");
  readonly #label = need("lx-time-label");
  #timer = 0;

  constructor(page: Page) {
    this.#page = page;
    this.#button.addEventListener("click", () => this.open());
    need("lx-earlier").addEventListener("click", () => this.shift(-1));
    need("lx-later").addEventListener("click", () => this.shift(1));
    need("lx-wider").addEventListener("click", () => this.widen());
    need("lx-refresh").addEventListener("click", () => page.refresh());
  }

  show(): void {
    const { from, to, every } = this.#page.state;
    const text = describeRange(from, to, this.#page.zone, Date.now());
    this.#label.textContent = text;
    this.#button.title = this.#page.zone.name;
    need("lx-every").textContent = every ? (EVERY.find(([seconds]) => seconds === every)?.[1] ?? `${every} s`) : "";
    window.clearInterval(this.#timer);
    if (every)
      this.#timer = window.setInterval(() => {
        if (!document.hidden && !this.#page.state.live && !document.querySelector("dialog:modal")) this.#page.refresh();
      }, every * 1000);
  }

  /** The window that is shown, as the server resolved it. */
  #window(): [number, number] {
    const { from, to } = this.#page.state;
    const known = this.#page.found?.window;
    return [absolute(from) ?? known?.from_ms ?? Date.now() - 900_000, absolute(to) ?? known?.to_ms ?? Date.now()];
  }

  shift(direction: 1 | -1): void {
    const [start, end] = this.#window();
    const step = (end - start) * direction;
    this.range(start + step, end + step);
  }

  /** Twice as wide, around the same middle, never further than now. */
  widen(): void {
    const [start, end] = this.#window();
    const half = Math.max(500, (end - start) / 2);
    const late = Math.min(end + half, Math.max(end, Date.now()));
    this.range(late - half * 4, late);
  }

  range(start: number, end: number): void {
    const moment = (ms: number): string => new Date(Math.round(ms)).toISOString();
    this.#page.go({ from: moment(start), to: moment(end), live: false });
  }

  open(): void {
    const page = this.#page;
    const { from, to } = page.state;
    const [start, end] = this.#window();
    const apply = (early: string, late: string): void => {
      closePopover(true);
      page.go({ from: early, to: late, ...(late === "now" ? {} : { live: false }) });
    };
    const last = /^now-(\d+)([smhdwM])$/.exec(from);
    const amount = h("input", { class: "input", type: "number", min: 1, max: 9999, value: last?.[1] ?? "15", "aria-label": "How many" });
    const unit = h("select", { class: "input", "aria-label": "Unit" },
      ...UNITS.map(([key, name]) => h("option", { value: key, selected: key === (last?.[2] ?? "m") }, name)));
    const early = h("input", { class: "input", type: "datetime-local", step: 1, value: page.zone.toInput(start) });
    const late = h("input", { class: "input", type: "datetime-local", step: 1, value: page.zone.toInput(end) });
    const error = h("p", { class: "error tiny", role: "alert" });
    const math = ([text, label]: [string, string]): HTMLInputElement =>
      h("input", { class: "input mono", value: text, "aria-label": label, spellcheck: "false", autocomplete: "off" });
    const [mathFrom, mathTo] = [math([from, "From, as an expression"]), math([to, "To, as an expression"])];
    const wrong = (text: string): void => {
      error.textContent = text;
    };
    const form = (legend: string, go: () => void, ...parts: HTMLElement[]): HTMLFormElement =>
      h("form", { class: "lx-when", submit: (event: Event) => {
        event.preventDefault();
        go();
      } }, h("h3", {}, legend), ...parts, h("button", { class: "button small", type: "submit" }, "Show"));
    const zones = [...new Set([browserZone(), "UTC"])];
    const panel = h("div", { class: "lx-time-panel" },
      h("div", { class: "lx-quick", role: "group", "aria-label": "Usual ranges" }, ...QUICK.map(([a, b, label]) =>
        h("button", { type: "button", "aria-pressed": String(a === from && b === to), "data-first": a === from && b === to, click: () => apply(a, b) }, label))),
      h("div", { class: "lx-whens" },
        form("Last", () => (Number(amount.value) >= 1 ? apply(`now-${Math.floor(Number(amount.value))}${unit.value}`, "now") : wrong("Give a number of at least 1.")), amount, unit),
        form("From – to", () => {
          const [a, b] = [page.zone.fromInput(early.value), page.zone.fromInput(late.value)];
          if (a === null || b === null) wrong("Give both moments.");
          else if (a >= b) wrong("The range ends before it begins.");
          else apply(new Date(a).toISOString(), new Date(b).toISOString());
        }, h("label", {}, h("span", { class: "visually-hidden" }, "From"), early), h("label", {}, h("span", { class: "visually-hidden" }, "To"), late)),
        form("Expressions", () => {
          if (!isMoment(mathFrom.value.trim()) || !isMoment(mathTo.value.trim())) wrong("An expression is like now-1d/d or 2026-01-31T10:00:00Z.");
          else apply(mathFrom.value.trim(), mathTo.value.trim());
        }, mathFrom, mathTo),
        error,
      ),
      h("div", { class: "lx-time-foot" },
        h("label", {}, "Time zone ", h("select", { class: "input", change: (event: Event) => {
          const chosen = (event.target as HTMLSelectElement).value;
          page.go({ tz: chosen === browserZone() ? "" : chosen }, "replace");
        } }, ...[...new Set([page.zone.name, ...zones])].map((name) => h("option", { value: name, selected: name === page.zone.name }, name)))),
        h("label", {}, "Refresh every ", h("select", { class: "input", change: (event: Event) => page.go({ every: Number((event.target as HTMLSelectElement).value) }, "replace") },
          ...EVERY.map(([seconds, name]) => h("option", { value: seconds, selected: seconds === page.state.every }, name)))),
        isRelative(from, to) ? h("button", { type: "button", class: "button quiet small", click: () => apply(new Date(start).toISOString(), new Date(end).toISOString()) }, "Keep this very range") : null,
      ),
    );
    popover(this.#button, panel, { label: "Time range", kind: "lx-time-pop" });
  }
}
