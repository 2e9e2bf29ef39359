/** The histogram: stacked bars in SVG, a reading under the pointer, and a brush that zooms. */
import { arrange, paths, roundUp, type Bars } from "./bars.ts";
import { h, need, svg } from "./dom.ts";
import { count, short } from "./numbers.ts";
import type { Page } from "./page.ts";
import { lasting, ticks } from "./time.ts";
import type { Counts } from "./types.ts";

const LEFT = 40;
const BOTTOM = 18;
const TOP = 6;

export class Histogram {
  readonly #page: Page;
  readonly #box = need("lx-chart");
  readonly #legend = need("lx-legend");
  readonly #tip = h("div", { class: "chart-tip", hidden: true });
  readonly #said = h("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  #counts: Counts | null = null;
  #bars: Bars | null = null;
  #svg: SVGSVGElement | null = null;
  #brush: SVGRectElement | null = null;
  #hover: SVGRectElement | null = null;
  #cursor = -1;
  #anchor = -1;
  #drag: { from: number; id: number } | null = null;
  readonly range: (start: number, end: number) => void;

  constructor(page: Page, range: (start: number, end: number) => void) {
    this.#page = page;
    this.range = range;
    this.#box.append(this.#tip, this.#said);
    new ResizeObserver(() => this.#draw()).observe(this.#box);
    this.#box.addEventListener("pointerdown", (event) => this.#down(event));
    this.#box.addEventListener("pointermove", (event) => this.#move(event));
    this.#box.addEventListener("pointerup", (event) => this.#up(event));
    this.#box.addEventListener("pointercancel", () => this.#cancel());
    this.#box.addEventListener("pointerleave", () => !this.#drag && this.#leave());
    this.#box.addEventListener("keydown", (event) => this.#keys(event));
    this.#box.addEventListener("blur", () => this.#leave());
  }

  show(counts: Counts): void {
    this.#counts = counts;
    this.#bars = arrange(counts, this.#page.state.by);
    this.#cursor = -1;
    this.#anchor = -1;
    this.#draw();
    this.#drawLegend();
  }

  #drawLegend(): void {
    const bars = this.#bars;
    const counts = this.#counts;
    if (!bars || !counts) return;
    const { by } = this.#page.state;
    this.#legend.replaceChildren(
      ...(by === "" ? [] : bars.series.slice(0, 13)).map((one) =>
        h("li", {}, h("button", {
          type: "button", class: "legend-item", "data-tip": one.name === "…" ? "all others together" : `${count(one.total)} lines; press to filter for it`,
          click: () => this.#choose(one.name),
        }, h("i", { class: one.kind }), one.name, h("span", { class: "num faint" }, ` ${short(one.total)}`)))),
    );
    need("lx-interval").textContent = `each bar ${lasting(counts.interval_ms)}`;
  }

  #choose(name: string): void {
    const { by } = this.#page.state;
    if (name === "…" || !by) return;
    if (name === "(none)") this.#page.addFilter({ field: by, op: "not_exists" });
    else {
      const spelled = Object.keys(this.#counts?.series ?? {}).filter((value) => arrange({ series: { [value]: [1] }, start_ms: 0, interval_ms: 1, total: 1, took_ms: 0, sql: "" }, by).series[0]?.name === name);
      this.#page.addFilter(spelled.length > 1 ? { field: by, op: "one_of", values: spelled } : { field: by, op: "is", value: spelled[0] ?? name });
    }
  }

  get #size(): { width: number; height: number } {
    return { width: Math.max(10, this.#box.clientWidth - LEFT), height: Math.max(10, this.#box.clientHeight - BOTTOM - TOP) };
  }

  #draw(): void {
    const [bars, counts] = [this.#bars, this.#counts];
    if (!bars || !counts || this.#box.clientWidth === 0) return;
    const { width, height } = this.#size;
    const top = roundUp(bars.highest);
    const end = counts.start_ms + counts.interval_ms * bars.buckets;
    const scale = width / (end - counts.start_ms || 1);
    const plot = svg("g", { transform: `translate(${LEFT} ${TOP})` });
    for (const part of [1, 0.5])
      if (bars.highest > 0 && (part === 1 || top > 1))
        plot.append(
          svg("path", { class: "grid-line", d: `M0 ${Math.round(height * (1 - part)) + 0.5}H${width}` }),
          svg("text", { class: "axis", x: -6, y: Math.round(height * (1 - part)) + 4, "text-anchor": "end" }, short(top * part)),
        );
    paths(bars, width, height).forEach((path, index) => plot.append(svg("path", { class: `bar ${bars.series[index]?.kind ?? ""}`, d: path })));
    plot.append(svg("path", { class: "base-line", d: `M0 ${height + 0.5}H${width}` }));
    for (const { at, step } of ticks(counts.start_ms, end, Math.max(2, Math.floor(width / 90)), this.#page.zone)) {
      const x = (at - counts.start_ms) * scale;
      if (x < 14 || x > width - 14) continue;
      plot.append(svg("path", { class: "tick", d: `M${Math.round(x) + 0.5} ${height}v4` }), svg("text", { class: "axis", x, y: height + 15, "text-anchor": "middle" }, this.#page.zone.tick(at, step)));
    }
    this.#hover = svg("rect", { class: "hover", y: 0, height, width: 0 });
    this.#brush = svg("rect", { class: "brush", y: 0, height, width: 0 });
    plot.append(this.#hover, this.#brush);
    const made = svg("svg", { "aria-hidden": "true", width: this.#box.clientWidth, height: this.#box.clientHeight }, plot);
    if (this.#svg) this.#svg.replaceWith(made);
    else this.#box.prepend(made);
    this.#svg = made;
    const from = this.#page.zone.long(counts.start_ms);
    this.#box.setAttribute("aria-label", `Histogram: ${count(counts.total)} lines from ${from} to ${this.#page.zone.long(end)}, at most ${count(bars.highest)} in ${lasting(counts.interval_ms)}. Arrow keys read bars, Shift and arrows choose a range, Enter zooms.`);
  }

  #bucket(event: PointerEvent): number {
    const buckets = this.#bars?.buckets ?? 0;
    const x = event.clientX - this.#box.getBoundingClientRect().left - LEFT;
    return Math.max(0, Math.min(buckets - 1, Math.floor((x / this.#size.width) * buckets)));
  }

  #mark(rect: SVGRectElement | null, first: number, last: number): void {
    const step = this.#size.width / (this.#bars?.buckets || 1);
    const [low, high] = [Math.min(first, last), Math.max(first, last)];
    rect?.setAttribute("x", String(low * step));
    rect?.setAttribute("width", String(first < 0 ? 0 : (high - low + 1) * step));
  }

  #read(index: number): void {
    const [bars, counts] = [this.#bars, this.#counts];
    if (!bars || !counts || index < 0) return;
    const start = counts.start_ms + index * counts.interval_ms;
    const rows = bars.series.filter((one) => one.counts[index]).toReversed();
    const [first, last] = this.#anchor >= 0 ? [Math.min(this.#anchor, index), Math.max(this.#anchor, index)] : [index, index];
    const sum = bars.totals.slice(first, last + 1).reduce((all, n) => all + n, 0);
    const head = this.#anchor >= 0
      ? `${this.#page.zone.long(counts.start_ms + first * counts.interval_ms)} – ${this.#page.zone.split(counts.start_ms + (last + 1) * counts.interval_ms)[1].replace(/\.000$/, "")}`
      : this.#page.zone.long(start);
    this.#tip.replaceChildren(
      h("div", { class: "chart-tip-head" }, head),
      h("div", { class: "chart-tip-row" }, h("span", {}, this.#anchor >= 0 ? "in this range" : "lines"), h("b", { class: "num" }, count(sum))),
      ...(this.#anchor >= 0 || this.#page.state.by === "" ? [] : rows.slice(0, 8).map((one) =>
        h("div", { class: "chart-tip-row" }, h("i", { class: one.kind }), h("span", {}, one.name), h("b", { class: "num" }, count(one.counts[index] ?? 0))))),
    );
    this.#tip.hidden = false;
    const step = this.#size.width / bars.buckets;
    const middle = LEFT + (index + 0.5) * step;
    const wide = this.#tip.offsetWidth;
    const left = middle + 12 + wide < this.#box.clientWidth ? middle + 12 : middle - 12 - wide;
    this.#tip.style.left = `${Math.max(0, left)}px`;
    this.#mark(this.#hover, index, index);
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0 || !this.#bars) return;
    this.#drag = { from: this.#bucket(event), id: event.pointerId };
    this.#box.setPointerCapture(event.pointerId);
    this.#anchor = this.#drag.from;
    this.#move(event);
  }

  #move(event: PointerEvent): void {
    if (!this.#bars) return;
    const at = this.#bucket(event);
    if (this.#drag) this.#mark(this.#brush, this.#drag.from, at);
    this.#read(at);
  }

  #up(event: PointerEvent): void {
    const drag = this.#drag;
    if (!drag) return;
    const at = this.#bucket(event);
    this.#cancel();
    this.#zoom(drag.from, at);
  }

  #cancel(): void {
    this.#drag = null;
    this.#anchor = -1;
    this.#mark(this.#brush, -1, -1);
    this.#leave();
  }

  #leave(): void {
    this.#tip.hidden = true;
    this.#mark(this.#hover, -1, -1);
  }

  #zoom(one: number, other: number): void {
    const counts = this.#counts;
    if (!counts) return;
    const start = counts.start_ms + Math.min(one, other) * counts.interval_ms;
    this.range(start, counts.start_ms + (Math.max(one, other) + 1) * counts.interval_ms);
  }

  #keys(event: KeyboardEvent): void {
    const buckets = this.#bars?.buckets ?? 0;
    if (!buckets || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      if (event.shiftKey && this.#anchor < 0) this.#anchor = Math.max(0, this.#cursor);
      if (!event.shiftKey) this.#anchor = -1;
      this.#cursor = this.#cursor < 0 ? (step > 0 ? 0 : buckets - 1) : Math.max(0, Math.min(buckets - 1, this.#cursor + step));
      this.#mark(this.#brush, this.#anchor < 0 ? -1 : this.#anchor, this.#anchor < 0 ? -1 : this.#cursor);
      this.#read(this.#cursor);
      this.#said.textContent = this.#tip.textContent;
    } else if (event.key === "Enter" && this.#cursor >= 0) {
      event.preventDefault();
      this.#zoom(this.#anchor < 0 ? this.#cursor : this.#anchor, this.#cursor);
    } else if (event.key === "Escape" && (this.#cursor >= 0 || this.#drag)) {
      event.preventDefault();
      this.#cursor = -1;
      this.#cancel();
    }
  }
}
