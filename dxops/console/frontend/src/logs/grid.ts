/** The list of lines: ten thousand of them, of which only those in sight are elements. */
import { detail } from "./detail.ts";
import { h, icon, iconButton, copy, need } from "./dom.ts";
import { levelOf, shown, valueOf } from "./document.ts";
import { forValue } from "./filters.ts";
import { Heights } from "./heights.ts";
import type { Highlighter } from "./highlight.ts";
import { headCell } from "./gridhead.ts";
import type { Page } from "./page.ts";
import type { Column, Line } from "./types.ts";

const AROUND = 12;
const MOST_SHOWN = 1_500;
const MOST_WRAPPED = 12_000;

export class Grid {
  readonly #page: Page;
  readonly #scroller = need("lx-scroll");
  readonly #head = need("lx-head");
  readonly #body = need("lx-body");
  readonly #tools: HTMLElement;
  readonly #heights = new Heights(26);
  readonly #drawn = new Map<number, HTMLElement>();
  readonly #expanded = new Set<string>();
  #lines: Line[] = [];
  #columns: Column[] = [];
  #highlighter: Highlighter | null = null;
  #current = -1;
  #toolsOf: { line: Line; field: string } | null = null;
  /** Called when the end comes near. */
  ended: () => void = () => undefined;
  /** Called on scrolling, with whether the top is in sight. */
  scrolled: (top: boolean) => void = () => undefined;

  constructor(page: Page) {
    this.#page = page;
    this.#tools = h("div", { class: "cell-tools", hidden: true },
      iconButton("circle-plus", "Filter for this value", () => this.#filter(false)),
      iconButton("circle-minus", "Filter it out", () => this.#filter(true)),
      iconButton("copy", "Copy the value", () => this.#toolsOf && void copy(shown(valueOf(this.#toolsOf.line, this.#toolsOf.field)), "Value")));
    for (const button of this.#tools.querySelectorAll("button")) button.tabIndex = -1;
    // beside the table: its rows may hold nothing but cells
    this.#scroller.after(this.#tools);
    let waiting = false;
    this.#scroller.addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        this.#tools.hidden = true;
        this.#draw();
        this.scrolled(this.#scroller.scrollTop < 4);
      });
    }, { passive: true });
    new ResizeObserver(() => this.#draw()).observe(this.#scroller);
    this.#body.addEventListener("click", (event) => this.#clicked(event));
    this.#body.addEventListener("pointerover", (event) => this.#hovered(event));
    this.#scroller.parentElement?.addEventListener("pointerleave", () => (this.#tools.hidden = true));
    this.#body.addEventListener("focusin", (event) => {
      const item = (event.target as Element).closest<HTMLElement>("[data-index]");
      if (item) this.#setCurrent(Number(item.dataset["index"]));
    });
    matchMedia("(max-width: 42rem)").addEventListener("change", () => this.#relayout());
  }

  get #rowHeight(): number {
    return matchMedia("(max-width: 42rem)").matches ? 56 : 26;
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }

  get current(): Line | null {
    return this.#lines[this.#current] ?? null;
  }

  /** Other lines, from the top. */
  show(lines: Line[], columns: Column[], highlighter: Highlighter, keepPlace = false): void {
    const wasCurrent = this.current?.seq;
    this.#lines = lines;
    this.#columns = columns;
    this.#highlighter = highlighter;
    this.#current = wasCurrent === undefined ? -1 : lines.findIndex((line) => line.seq === wasCurrent);
    if (!keepPlace) this.#scroller.scrollTop = 0;
    this.#relayout();
  }

  /** More lines behind the last. */
  append(lines: readonly Line[]): void {
    this.#lines.push(...lines);
    this.#heights.grow(this.#lines.length);
    this.#size();
    this.#draw();
  }

  /** New lines before the first (or behind the last), of which at most `most` stay. The reader's place is kept. */
  add(lines: readonly Line[], atTop: boolean, most: number): void {
    const anchor = this.#heights.at(this.#scroller.scrollTop);
    const offset = this.#scroller.scrollTop - this.#heights.top(anchor);
    const stays = this.#scroller.scrollTop < 4 && atTop;
    const kept = atTop ? [...lines, ...this.#lines].slice(0, most) : [...this.#lines, ...lines].slice(-most);
    const current = this.current;
    const end = this.#scroller.scrollTop + this.#scroller.clientHeight >= this.#scroller.scrollHeight - 8;
    this.#lines = kept;
    this.#current = current ? kept.indexOf(current) : -1;
    this.#relayout();
    if (atTop) this.#scroller.scrollTop = stays ? 0 : this.#heights.top(anchor + lines.length) + offset;
    else if (end) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#draw();
  }

  /** Columns, wrapping or the theme of heights changed. */
  arrange(columns: Column[]): void {
    this.#columns = columns;
    this.#relayout();
  }

  #relayout(): void {
    this.#heights.reset(this.#lines.length, this.#rowHeight);
    for (const element of this.#drawn.values()) element.remove();
    this.#drawn.clear();
    this.#tools.hidden = true;
    const { wrap } = this.#page.state;
    this.#scroller.toggleAttribute("data-wrap", wrap);
    const last = this.#columns.length - 1;
    const widths = this.#columns.map(({ name, width }, index) =>
      name === "message" || (index === last && width === null && !this.#columns.some((one) => one.name === "message"))
        ? width ? `minmax(${width}px, 1fr)` : "minmax(22rem, 1fr)"
        : `${width ?? (name === "level" ? 84 : name === "service" || name === "host" ? 120 : 168)}px`);
    this.#scroller.style.setProperty("--grid-columns", `28px 158px ${widths.join(" ")}`);
    this.#head.replaceChildren(
      h("div", { role: "columnheader", class: "head-cell" }, h("span", { class: "visually-hidden" }, "Open")),
      headCell(this.#page, { name: "@timestamp", width: null }, -1),
      ...this.#columns.map((column, index) => headCell(this.#page, column, index)));
    this.#scroller.setAttribute("aria-rowcount", String(this.#lines.length + 1));
    this.#size();
    this.#draw();
  }

  #size(): void {
    this.#body.style.height = `${this.#heights.total}px`;
    this.#scroller.setAttribute("aria-rowcount", String(this.#lines.length + 1));
  }

  #draw(): void {
    const { scrollTop, clientHeight } = this.#scroller;
    const first = Math.max(0, this.#heights.at(scrollTop) - AROUND);
    const last = Math.min(this.#lines.length - 1, this.#heights.at(scrollTop + clientHeight) + AROUND);
    for (const [index, element] of this.#drawn)
      if ((index < first || index > last) && !element.contains(document.activeElement)) {
        element.remove();
        this.#drawn.delete(index);
      }
    const fresh: [number, HTMLElement][] = [];
    for (let index = first; index <= last; index += 1) {
      if (this.#drawn.has(index)) continue;
      const element = this.#item(index);
      this.#drawn.set(index, element);
      fresh.push([index, element]);
    }
    if (fresh.length) {
      // in the order of the lines, for those who read the page in its order
      for (const [index, element] of fresh) {
        const next = this.#drawn.get(index + 1);
        if (next?.isConnected) next.before(element);
        else this.#body.append(element);
      }
    }
    this.#measure(fresh.map(([index]) => index));
    for (const [index, element] of this.#drawn) element.style.transform = `translateY(${this.#heights.top(index)}px)`;
    if (this.#lines.length > 0 && last >= this.#lines.length - 60) this.ended();
  }

  #measure(indexes: readonly number[]): void {
    const own = indexes.filter((index) => this.#page.state.wrap || this.#expanded.has(this.#lines[index]?.seq ?? ""));
    if (own.length === 0) return;
    const measured = own.map((index) => [index, this.#drawn.get(index)?.offsetHeight ?? 0] as const);
    const anchor = this.#heights.at(this.#scroller.scrollTop);
    let above = 0;
    for (const [index, height] of measured) {
      const change = this.#heights.set(index, height);
      if (index < anchor) above += change;
    }
    this.#size();
    if (above) this.#scroller.scrollTop += above;
  }

  #item(index: number): HTMLElement {
    const line = this.#lines[index] as Line;
    const level = levelOf(line.level);
    const open = this.#expanded.has(line.seq);
    const [day, clock] = this.#page.zone.split(line.ts_ms);
    const row = h("div", { class: "line-row", role: "row", "aria-rowindex": index + 2, tabindex: index === Math.max(0, this.#current) ? 0 : -1, "data-current": index === this.#current },
      h("div", { role: "cell", class: "line-open" }, h("button", { type: "button", class: "line-toggle", "aria-expanded": String(open), "aria-label": open ? "Close the line" : "Open the line", tabindex: -1 }, icon("chevron-right"))),
      h("div", { role: "cell", class: "line-time", "data-field": "@timestamp" }, h("span", { class: "line-day" }, `${day} `), clock),
      ...this.#columns.map((column) => this.#cell(line, column.name, level)));
    const item = h("div", { class: "line", role: "rowgroup", "data-index": index, "data-level": level, "data-open": open }, row);
    if (open) item.append(detail(this.#page, line, this.#highlighter));
    return item;
  }

  #cell(line: Line, name: string, level: string): HTMLElement {
    const value = valueOf(line, name);
    const cell = h("div", { role: "cell", class: `line-cell${name === "message" ? " line-message" : ""}`, "data-field": name });
    if (value === undefined || value === "") return cell;
    if (name === "level" && level) {
      cell.append(h("span", { class: `severity ${level}` }, shown(value)));
      return cell;
    }
    const text = shown(value);
    if (this.#page.state.wrap) this.#mark(cell, name, text.length > MOST_WRAPPED ? `${text.slice(0, MOST_WRAPPED)}…` : text);
    else {
      const stop = text.indexOf("\n");
      this.#mark(cell, name, (stop < 0 ? text : text.slice(0, stop)).slice(0, MOST_SHOWN));
      if (stop >= 0 && text.slice(stop).trim()) cell.append(h("span", { class: "line-more" }, `+${text.slice(stop).trim().split("\n").length}`));
    }
    return cell;
  }

  #mark(cell: HTMLElement, name: string, text: string): void {
    const pieces = this.#highlighter?.split(name, text) ?? [text];
    pieces.forEach((piece, place) => piece && cell.append(place % 2 ? h("mark", {}, piece) : piece));
  }

  /** Opens or closes a line where it stands. */
  toggle(index = this.#current): void {
    const line = this.#lines[index];
    if (!line) return;
    if (this.#expanded.has(line.seq)) this.#expanded.delete(line.seq);
    else this.#expanded.add(line.seq);
    const old = this.#drawn.get(index);
    const focused = old?.contains(document.activeElement) ?? false;
    const made = this.#item(index);
    if (old) old.replaceWith(made);
    this.#drawn.set(index, made);
    if (!this.#expanded.has(line.seq)) this.#heights.set(index, this.#rowHeight);
    this.#measure([index]);
    this.#size();
    if (focused) made.querySelector<HTMLElement>(".line-row")?.focus({ preventScroll: true });
    this.#draw();
  }

  /** Collapses the line that has the keyboard; whether there was one. */
  collapse(): boolean {
    const line = this.current;
    if (!line || !this.#expanded.has(line.seq)) return false;
    this.toggle();
    return true;
  }

  /** The next line, or the one before, gets the keyboard. */
  walk(step: 1 | -1): void {
    if (this.#lines.length === 0) return;
    const to = this.#current < 0 ? this.#heights.at(this.#scroller.scrollTop) : Math.max(0, Math.min(this.#lines.length - 1, this.#current + step));
    this.focusAt(to);
  }

  focusAt(index: number): void {
    const head = this.#head.offsetHeight;
    const [top, height] = [this.#heights.top(index), this.#heights.of(index)];
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (top + Math.min(height, 200) > this.#scroller.scrollTop + this.#scroller.clientHeight - head)
      this.#scroller.scrollTop = top + Math.min(height, 200) - this.#scroller.clientHeight + head;
    this.#draw();
    this.#setCurrent(index);
    this.#drawn.get(index)?.querySelector<HTMLElement>(".line-row")?.focus({ preventScroll: true });
  }

  rowOf(line: Line): HTMLElement | null {
    return this.#drawn.get(this.#lines.indexOf(line))?.querySelector<HTMLElement>(".line-row") ?? null;
  }

  toTop(): void {
    this.#scroller.scrollTop = this.#page.state.order === "desc" ? 0 : this.#scroller.scrollHeight;
  }

  #setCurrent(index: number): void {
    if (index === this.#current) return;
    for (const [place, on] of [[this.#current, false], [index, true]] as const) {
      const row = this.#drawn.get(place)?.querySelector<HTMLElement>(".line-row");
      row?.toggleAttribute("data-current", on);
      if (row) row.tabIndex = on ? 0 : -1;
    }
    this.#current = index;
  }

  #clicked(event: MouseEvent): void {
    const target = event.target as Element;
    const item = target.closest<HTMLElement>("[data-index]");
    if (!item || !target.closest(".line-row")) return;
    if (getSelection()?.toString()) return; // somebody is copying
    const index = Number(item.dataset["index"]);
    this.#setCurrent(index);
    this.toggle(index);
  }

  #hovered(event: PointerEvent): void {
    if (event.pointerType === "touch") return;
    const cell = (event.target as Element).closest<HTMLElement>(".line-cell[data-field]");
    if ((event.target as Element).closest(".cell-tools")) return;
    const item = cell?.closest<HTMLElement>("[data-index]");
    const line = item ? this.#lines[Number(item.dataset["index"])] : undefined;
    if (!cell || !item || !line || cell.textContent === "") {
      this.#tools.hidden = true;
      return;
    }
    this.#toolsOf = { line, field: cell.dataset["field"] ?? "" };
    this.#tools.hidden = false;
    const [at, box] = [cell.getBoundingClientRect(), this.#scroller.getBoundingClientRect()];
    // at the end of a wide cell, else behind it: what is pointed at stays readable
    const wide = this.#tools.offsetWidth;
    const edge = this.#scroller.clientWidth - wide - 4;
    const behind = at.right - box.left + (at.width > wide * 3 ? -wide - 2 : -2);
    this.#tools.style.transform = `translate(${Math.min(edge, behind)}px, ${item.getBoundingClientRect().top - box.top + 1}px)`;
  }

  #filter(out: boolean): void {
    const of = this.#toolsOf;
    if (of) this.#page.addFilter(forValue(of.field, valueOf(of.line, of.field), out));
  }
}
