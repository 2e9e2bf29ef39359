/** New lines as they arrive: server-sent events, pausable, bounded. */
import { parseExact } from "./document.ts";
import type { Page } from "./page.ts";
import type { Line } from "./types.ts";

export const MOST_KEPT = 5_000;
const DRAW_MS = 120;

/** How long an answer to the first connection is awaited before the page searches without it. */
const PATIENCE_MS = 1_500;

/** Newer first; of one moment, the later arrived first. Sequence numbers have 64 bits, so they are texts. Pure. */
export const newestFirst = (one: Line, other: Line): number =>
  other.ts_ms - one.ts_ms || other.seq.length - one.seq.length || (one.seq < other.seq ? 1 : one.seq > other.seq ? -1 : 0);

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
  #held = false;
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

  /** Listens, and returns once the server does: what is searched then and what comes from here leave no gap between
   * them. Lines are held back until `release`. */
  async start(): Promise<void> {
    this.stop();
    const source = new EventSource(`/api/logs/tail?${this.#page.query()}`);
    this.#source = source;
    this.#held = true;
    const opened = new Promise<void>((done) => {
      source.addEventListener("open", () => done(), { once: true });
      window.setTimeout(done, PATIENCE_MS);
    });
    source.addEventListener("open", () => this.#state(true));
    source.addEventListener("error", () => {
      this.#state(false);
      if (source.readyState !== EventSource.CLOSED) return;
      // the browser gives up where the answer was no stream: said, and tried again
      this.#hooks.failed("The live tail was refused or ended; trying again.");
      window.setTimeout(() => this.#source === source && void this.start().then(() => this.release()), 3000);
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
    await opened;
  }

  /** The page has its lines: what came meanwhile follows. */
  release(): void {
    this.#held = false;
    this.#flush();
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
    } else if (!this.#held) this.#timer ||= window.setTimeout(() => this.#flush(), DRAW_MS);
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
