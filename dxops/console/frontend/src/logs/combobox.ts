/** A text input with suggestions: the ARIA combobox with a list, driven by the keyboard. */
import { aborted } from "./api.ts";
import { freshId, h } from "./dom.ts";

export interface Suggestion {
  kind: string;
  label: string;
  about?: string;
  /** What becomes of the input: its new text and where the cursor stands then. */
  text: string;
  cursor: number;
  /** Whether to suggest again at once. */
  again?: boolean;
}

export interface ComboOptions {
  suggest: (text: string, cursor: number) => Promise<Suggestion[]>;
  /** Enter without a chosen suggestion. */
  submit?: () => void;
  changed?: () => void;
  accepted?: () => void;
  label: string;
  delay?: number;
}

/** Gives `input` its suggestions. The list is put behind it. */
export const combobox = (input: HTMLInputElement, options: ComboOptions): { close: () => void; reopen: () => void } => {
  const id = freshId("combo");
  const list = h("div", { class: "combo-list", role: "listbox", id, "aria-label": options.label, hidden: true });
  const status = h("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  input.after(list, status);
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id, autocomplete: "off", autocapitalize: "off", spellcheck: "false",
  })) input.setAttribute(name, value);
  let shown: Suggestion[] = [];
  let chosen = -1;
  let timer = 0;
  let turn = 0;

  const close = (): void => {
    turn += 1;
    window.clearTimeout(timer);
    shown = [];
    chosen = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (index: number): void => {
    chosen = index;
    for (const [place, option] of [...list.children].entries()) option.setAttribute("aria-selected", String(place === index));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", `${id}-${index}`);
      list.children[index]?.scrollIntoView({ block: "nearest" });
    }
  };
  const accept = (suggestion: Suggestion): void => {
    input.value = suggestion.text;
    input.setSelectionRange(suggestion.cursor, suggestion.cursor);
    close();
    input.focus();
    // the cursor may be out of sight in a long query
    input.blur();
    input.focus();
    options.changed?.();
    options.accepted?.();
    if (suggestion.again) ask();
  };
  const draw = (): void => {
    list.replaceChildren(
      ...shown.map((one, index) =>
        h("div", {
          role: "option", id: `${id}-${index}`, "aria-selected": "false", "data-kind": one.kind,
          pointerdown: (event: PointerEvent) => event.preventDefault(),
          click: () => accept(one),
          pointermove: () => chosen !== index && choose(index),
        },
          h("span", { class: `combo-kind ${one.kind}`, "aria-hidden": "true" }),
          h("span", { class: "combo-label" }, one.label),
          one.about ? h("span", { class: "combo-about" }, one.about) : null,
        )),
    );
    list.hidden = shown.length === 0;
    input.setAttribute("aria-expanded", String(shown.length > 0));
    status.textContent = shown.length ? `${shown.length} suggestions` : "";
    choose(-1);
  };
  const ask = (): void => {
    window.clearTimeout(timer);
    const mine = (turn += 1);
    timer = window.setTimeout(() => {
      options
        .suggest(input.value, input.selectionStart ?? input.value.length)
        .then((found) => {
          if (mine !== turn || document.activeElement !== input) return;
          shown = found;
          draw();
        })
        .catch((error: unknown) => {
          if (!aborted(error) && mine === turn) close();
        });
    }, options.delay ?? 60);
  };

  input.addEventListener("input", () => {
    options.changed?.();
    ask();
  });
  input.addEventListener("click", () => {
    if (list.hidden) ask();
  });
  input.addEventListener("blur", () => window.setTimeout(() => document.activeElement !== input && close()));
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const option = shown[chosen];
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        event.preventDefault();
        if (list.hidden) return ask();
        // one place more than options: back in the text
        choose(((chosen + 1 + (event.key === "ArrowDown" ? 1 : shown.length)) % (shown.length + 1)) - 1);
        return;
      case "Enter":
        event.preventDefault();
        if (option) accept(option);
        else {
          close();
          options.submit?.();
        }
        return;
      case "Tab":
        if (option) {
          event.preventDefault();
          accept(option);
        } else close();
        return;
      case "Escape":
        event.preventDefault();
        event.stopPropagation();
        if (list.hidden) input.blur();
        else close();
        return;
      case " ":
        if (event.ctrlKey) {
          event.preventDefault();
          ask();
        }
    }
  });
  return { close, reopen: ask };
};
