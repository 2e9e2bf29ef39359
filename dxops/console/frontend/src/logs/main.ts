/** The log explorer: keeps the page's state in its address, asks what that state needs, and shows it. */
import { asked, readAddress, sameQuestion, writeAddress } from "./address.ts";
import { aborted, ask, drop, told } from "./api.ts";
import { need } from "./dom.ts";
import { openLine, openSurrounding } from "./drawers.ts";
import { FieldList } from "./fieldlist.ts";
import { withFilter } from "./filters.ts";
import { Grid } from "./grid.ts";
import { Highlighter } from "./highlight.ts";
import { Histogram } from "./histogram.ts";
import { Keyboard } from "./keyboard.ts";
import { lineKey, type Page } from "./page.ts";
import { closePopover } from "./popover.ts";
import { Patterns } from "./patterns.ts";
import { Pills } from "./pills.ts";
import { entered, keepPins } from "./pins.ts";
import { QueryBar } from "./querybar.ts";
import { remember } from "./recent.ts";
import { SavedSearches } from "./saved.ts";
import { Statistics } from "./statistics.ts";
import { Status } from "./status.ts";
import { Streams } from "./streams.ts";
import { MOST_KEPT, newestFirst, Tail } from "./tail.ts";
import { absolute, browserZone, Zone } from "./time.ts";
import { TimePicker } from "./timepicker.ts";
import { toolbar } from "./toolbar.ts";
import type { Column, Counts, Filter, Found, Line, State } from "./types.ts";

const PAGE = 500;
const MOST_LINES = 10_000;

class Explorer implements Page {
  state: State = entered(readAddress(location.search));
  zone = new Zone(this.state.tz || browserZone());
  found: Found | null = null;
  counts: Counts | null = null;
  readonly grid = new Grid(this);
  readonly pills = new Pills(this);
  readonly patterns = new Patterns(this);
  readonly #status = new Status(this);
  readonly #bar = new QueryBar(this);
  readonly #time = new TimePicker(this);
  readonly #streams = new Streams(this);
  readonly #fields = new FieldList(this);
  readonly #statistics = new Statistics(this);
  readonly #histogram = new Histogram(this, (start, end) => this.#time.range(start, end));
  readonly tail = new Tail(this, {
    lines: (lines) => this.#arrived(lines),
    changed: () => this.#status.tail(this.tail),
    failed: (message) => this.#status.note(message),
  });
  #highlighter = new Highlighter([]);
  #older = false;
  #turn = 0;
  #scrollPaused = false;
  #counted = 0;
  /** Whether lines name services: their column is one of the first then. */
  #services = true;

  constructor() {
    new SavedSearches(this);
    new Keyboard(this, this.#bar);
    toolbar(this);
    this.pills.fields = () => this.#fields.known();
    this.#fields.changed = () => this.state.tab === "fields" && this.#statistics.show(this.#fields.fields);
    this.grid.ended = () => void this.#more();
    this.grid.scrolled = (top) => this.#scrolled(top);
    window.addEventListener("popstate", () => this.#follow(readAddress(location.search)));
    window.addEventListener("pagehide", () => this.tail.stop());
    window.addEventListener("pageshow", (event) => event.persisted && this.refresh());
    need("lx-drawer").addEventListener("close", () => this.state.line && this.go({ line: "" }, "replace"));
    // what is pinned may have come from an address, or into it
    history.replaceState(null, "", location.pathname + writeAddress(this.state));
    keepPins(this.state.filters);
    this.#draw();
    this.refresh();
    void this.#fields.load();
    if (this.state.line) void openLine(this, this.state.line);
  }

  // -- what parts of the page ask of it -----------------------------------------------------------------------------

  go(patch: Partial<State>, how: "push" | "replace" = "push"): void {
    const next = { ...this.state, ...patch };
    if (writeAddress(next) === writeAddress(this.state)) return;
    history[how === "push" ? "pushState" : "replaceState"](null, "", location.pathname + writeAddress(next));
    this.#follow(next);
  }

  columns(): Column[] {
    if (this.state.cols) return this.state.cols;
    return [{ name: "level", width: null }, ...(this.#services ? [{ name: "service", width: null }] : []), { name: "message", width: null }];
  }

  query(extra: Record<string, string> = {}): URLSearchParams {
    const made = asked(this.state, this.zone.name);
    for (const [name, value] of Object.entries(extra)) made.set(name, value);
    return made;
  }

  addFilter(filter: Filter): void {
    this.go({ filters: withFilter(this.state.filters, filter) });
  }

  toggleColumn(name: string): void {
    const columns = this.columns();
    if (columns.some((one) => one.name === name)) this.go({ cols: columns.filter((one) => one.name !== name) }, "replace");
    else {
      // before the message, which takes what is left of the width
      const at = columns.findIndex((one) => one.name === "message");
      const made = [...columns];
      made.splice(at < 0 ? columns.length : at, 0, { name, width: null });
      this.go({ cols: made }, "replace");
    }
  }

  openSurrounding(line: Line): void {
    void openSurrounding(this, line);
  }

  linkTo(line: Line): string {
    return `${location.origin}${location.pathname}${writeAddress({ ...this.state, live: false, line: lineKey(line) })}`;
  }

  refresh(): void {
    this.counts = null;
    void this.#search();
    void this.#count();
    if (this.state.tab === "patterns") void this.patterns.load();
  }

  // -- following the address ----------------------------------------------------------------------------------------

  #follow(next: State): void {
    const before = this.state;
    this.state = next;
    keepPins(next.filters);
    if (next.tz !== before.tz) this.zone = new Zone(next.tz || browserZone());
    this.#draw();
    if (next.line && next.line !== before.line) void openLine(this, next.line);
    const live = next.live !== before.live;
    if (!sameQuestion(before, next) || next.tz !== before.tz) {
      this.refresh();
      if (next.from !== before.from || next.to !== before.to || String(next.stream) !== String(before.stream)) void this.#fields.load();
      else if (next.tab === "fields") this.#statistics.show(this.#fields.fields);
    } else if (live) {
      if (next.live) void this.#search();
      else this.#stopTail();
    }
    if (next.by !== before.by) void this.#count();
    if (JSON.stringify(next.cols) !== JSON.stringify(before.cols) || next.wrap !== before.wrap) {
      this.grid.arrange(this.columns());
      this.#fields.draw();
    }
    if (next.tab !== before.tab) {
      closePopover();
      if (next.tab === "patterns") void this.patterns.load();
      if (next.tab === "fields") this.#statistics.show(this.#fields.fields);
      if (next.tab === "lines") this.grid.arrange(this.columns());
    }
  }

  #draw(): void {
    this.#bar.show(this.state);
    this.#time.show();
    this.pills.show();
    this.#status.state();
  }

  // -- asking -------------------------------------------------------------------------------------------------------

  async #search(): Promise<void> {
    this.#stopTail();
    this.#status.loading(true);
    const { sort, order, q, live } = this.state;
    const mine = (this.#turn += 1);
    try {
      if (live) await this.tail.start();
      if (mine !== this.#turn) return;
      const found = await ask<Found>("search", "search", this.query({ limit: String(PAGE), order, ...(sort ? { sort } : {}) }));
      const first = this.found === null;
      this.found = found;
      this.#highlighter = new Highlighter(found.terms);
      if (found.items.length) this.#services = found.items.some((line) => line.service);
      this.#bar.problem(null);
      remember(q);
      this.grid.show(found.items, this.columns(), this.#highlighter);
      if (first || this.state.cols === null) this.#fields.draw();
      await this.#status.found(found, this.#streams);
      if (live && this.tail.on) {
        this.#scrollPaused = false;
        this.tail.release();
      }
    } catch (error) {
      if (aborted(error)) return;
      const problem = told(error);
      if (problem.field === "query") this.#bar.problem(problem);
      this.#status.failed(problem);
    }
    this.#status.loading(false);
  }

  async #count(): Promise<void> {
    const width = need("lx-chart").clientWidth || 800;
    try {
      const counts = await ask<Counts>("histogram", "histogram", this.query({ by: this.state.by, buckets: String(Math.max(30, Math.min(160, Math.floor(width / 9)))) }));
      this.counts = counts;
      this.#counted = Date.now();
      this.#histogram.show(counts);
      this.#status.counted();
    } catch (error) {
      if (!aborted(error)) this.#status.uncounted(told(error));
    }
  }

  /** The next page, when the end of the list comes into sight. */
  async #more(): Promise<void> {
    const { found } = this;
    if (this.#older || !found?.next || this.grid.lines.length >= MOST_LINES || this.tail.on) return;
    this.#older = true;
    try {
      const { sort, order } = this.state;
      const more = await ask<Found>("more", "search", this.query({
        limit: String(PAGE), order, after: found.next, count: "0", ...(sort ? { sort } : {}),
        // the range of the first page: one that ends now would move on meanwhile
        ...(absolute(this.state.to) === null ? { from: String(found.window.from_ms), to: String(found.window.to_ms) } : {}),
      }));
      if (found !== this.found) return;
      found.next = more.next;
      this.grid.append(more.items);
    } catch (error) {
      if (!aborted(error)) this.#status.note(told(error).message);
    } finally {
      this.#older = false;
      this.#status.end(this.grid.lines.length, found.next !== null);
    }
  }

  // -- live ---------------------------------------------------------------------------------------------------------

  #arrived(lines: Line[]): void {
    const known = new Set(this.grid.lines.slice(0, MOST_KEPT).map((line) => line.seq));
    const fresh = lines.filter((line) => !known.has(line.seq)).sort(newestFirst);
    if (fresh.length === 0) return;
    this.grid.add(fresh, true, MOST_KEPT);
    this.#status.shown(this.grid.lines.length);
    if (Date.now() - this.#counted > 5_000 && !document.hidden) void this.#count();
  }

  #scrolled(top: boolean): void {
    if (!this.tail.on) return;
    if (!top && !this.tail.paused) {
      this.#scrollPaused = true;
      this.tail.pause();
    } else if (top && this.#scrollPaused) this.resume();
  }

  pauseOrResume(): void {
    if (!this.state.live) this.live();
    else if (this.tail.paused) this.resume();
    else this.tail.pause();
  }

  resume(): void {
    this.#scrollPaused = false;
    this.grid.toTop();
    this.tail.resume();
  }

  live(): void {
    const { live, from, to } = this.state;
    if (live) this.go({ live: false });
    else this.go({ live: true, sort: "", order: "desc", tab: "lines", ...(to === "now" ? { from } : { from: "now-15m", to: "now" }) });
  }

  #stopTail(): void {
    drop("more");
    this.tail.stop();
    this.#status.tail(this.tail);
  }
}

export type { Explorer };

new Explorer();
