/** New lines as they arrive: server-sent events, pausable, bounded. */
import { parseExact } from "./document.ts";
import type { Page } from "./page.ts";
import type { Line } from "./types.ts";

export const MOST_KEPT = 5_000;
const DRAW_MS = 120;

/** The greatest of the sequence numbers, which have 64 bits. */
export const lastSeq = (lines: readonly Line[]): string | null =>
  lines.reduce<string | null>((most, { seq }) => (most === null || seq.length > most.length || (seq.length === most.length && seq > most) ? seq : most), null);

export interface TailHooks {
  lines: (lines: Line[]) => void;
  /** Something about it changed: how many wait, whether it is paused or connected. */
  changed: () => void;
  /** The server ended it with an error. */
  failed: (message: string) => void;
}

export class Tail {
  readonly #page: Page;
  readonly #hooks: TailHooks;
  #source: EventSource | null = null;
  #waiting: Line[] = [];
  #timer = 0;
  #last: string | null = null;
  paused = false;
  connected = false;
  /** Lines that came while it was paused, those beyond `MOST_KEPT` too. */
  unseen = 0;
  /** Lines that came too fast to be sent. */
  skipped = 0;
  lag_ms: number | null = null;

  constructor(page: Page, hooks: TailHooks) {
    this.#page = page;
    this.#hooks = hooks;
  }

  get on(): boolean {
    return this.#source !== null;
  }

  /** Begins behind `lines`, which are shown already. */
  start(lines: readonly Line[]): void {
    this.stop();
    this.#last = lastSeq(lines);
    const query = this.#page.query(this.#last === null ? {} : { after_seq: this.#last });
    const source = new EventSource(`/api/logs/tail?${query}`);
    this.#source = source;
    source.addEventListener("open", () => this.#state(true));
    source.addEventListener("error", () => {
      this.#state(false);
      if (source.readyState !== EventSource.CLOSED) return;
      // the browser gives up where the answer was no stream: said, and tried again
      this.#hooks.failed("The live tail was refused or ended; trying again.");
      window.setTimeout(() => this.#source === source && this.start(lines), 3000);
    });
    source.addEventListener("lines", (event) => {
      const told = parseExact((event as MessageEvent<string>).data) as { items: Line[] };
      this.#state(true);
      this.#took(told.items);
    });
    source.addEventListener("skipped", (event) => {
      this.skipped += (JSON.parse((event as MessageEvent<string>).data) as { count: number }).count;
      this.#hooks.changed();
    });
    source.addEventListener("state", (event) => {
      this.lag_ms = (JSON.parse((event as MessageEvent<string>).data) as { lag_ms?: number | null }).lag_ms ?? null;
      this.#state(true);
    });
    this.#hooks.changed();
  }

  stop(): void {
    this.#source?.close();
    this.#source = null;
    window.clearTimeout(this.#timer);
    this.#timer = 0;
    this.#waiting = [];
    this.paused = false;
    this.connected = false;
    this.unseen = 0;
    this.skipped = 0;
    this.lag_ms = null;
  }

  pause(): void {
    if (this.paused || !this.on) return;
    this.paused = true;
    this.#hooks.changed();
  }

  /** Shows what came meanwhile, and what comes. */
  resume(): void {
    this.paused = false;
    this.#flush();
    this.#hooks.changed();
  }

  #state(connected: boolean): void {
    if (this.connected !== connected) {
      this.connected = connected;
      this.#hooks.changed();
    }
  }

  #took(lines: Line[]): void {
    if (lines.length === 0) return;
    this.#waiting.push(...lines);
    if (this.#waiting.length > MOST_KEPT) this.#waiting = this.#waiting.slice(-MOST_KEPT);
    if (this.paused) {
      this.unseen += lines.length;
      this.#hooks.changed();
    } else this.#timer ||= window.setTimeout(() => this.#flush(), DRAW_MS);
  }

  #flush(): void {
    window.clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.paused) {
      this.unseen = Math.max(this.unseen, this.#waiting.length);
      return;
    }
    const lines = this.#waiting;
    this.#waiting = [];
    this.unseen = 0;
    if (lines.length) this.#hooks.lines(lines);
  }
}
