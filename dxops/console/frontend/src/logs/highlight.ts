/** Where the words that were searched for are in a text. Pure. */
import type { Term } from "./types.ts";

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const WORD = "[\\p{L}\\p{N}_]";

/** What to look for in a field: terms of that field and of any. */
export class Highlighter {
  #terms: readonly Term[];
  #made = new Map<string, RegExp | null>();

  constructor(terms: readonly Term[]) {
    this.#terms = terms.filter((term) => term.text.trim() !== "").slice(0, 64);
  }

  #expression(field: string): RegExp | null {
    let found = this.#made.get(field);
    if (found === undefined) {
      const own = this.#terms.filter((term) => term.field === null || term.field === field || term.field.replace(/\.keyword$/, "") === field);
      const pieces = own
        .toSorted((one, other) => other.text.length - one.text.length)
        .map((term) => {
          const words = term.text.split(/[^\p{L}\p{N}_]+/u).filter(Boolean).map(escaped);
          const body = words.length ? words.join("[^\\p{L}\\p{N}_]+") : escaped(term.text);
          if (!words.length) return body;
          return `(?<!${WORD})${body}${term.prefix ? `${WORD}*` : `(?!${WORD})`}`;
        });
      found = pieces.length ? new RegExp(pieces.join("|"), "giu") : null;
      this.#made.set(field, found);
    }
    return found;
  }

  /** `text` in pieces, every second one a match; one piece where nothing matches. */
  split(field: string, text: string): string[] {
    const expression = this.#expression(field);
    if (!expression) return [text];
    const pieces: string[] = [];
    let from = 0;
    for (const match of text.matchAll(expression)) {
      if (match[0] === "" || pieces.length > 200) continue;
      pieces.push(text.slice(from, match.index), match[0]);
      from = match.index + match[0].length;
    }
    pieces.push(text.slice(from));
    return pieces;
  }
}
