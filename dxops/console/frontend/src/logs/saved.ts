/** Saved searches: the address of this page under a name, for oneself or for all. */
import { ask, change, told } from "./api.ts";
import { DEFAULTS, writeAddress } from "./address.ts";
import { copy, h, icon, iconButton, need, toast } from "./dom.ts";
import { paramsOf, stateOf } from "./keeping.ts";
import type { Page } from "./page.ts";
import { entered } from "./pins.ts";
import type { Saved } from "./types.ts";

const dialog = (): HTMLDialogElement => need<HTMLDialogElement>("lx-saved");

export class SavedSearches {
  readonly #page: Page;
  #items: Saved[] = [];
  /** The one that was opened or saved last. */
  current: Saved | null = null;

  constructor(page: Page) {
    this.#page = page;
    need("lx-open").addEventListener("click", () => void this.open());
    need("lx-save").addEventListener("click", () => this.save());
    need<HTMLFormElement>("lx-save-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#store();
    });
  }

  save(): void {
    const form = need<HTMLFormElement>("lx-save-form");
    const name = form.elements.namedItem("name") as HTMLInputElement;
    name.value = this.current?.name ?? "";
    need("lx-save-error").textContent = "";
    const again = need("lx-save-again");
    again.hidden = !this.current?.may_change;
    (form.elements.namedItem("again") as HTMLInputElement).checked = this.current?.may_change === true;
    need<HTMLDialogElement>("lx-save-dialog").showModal();
    name.focus();
    name.select();
  }

  async #store(): Promise<void> {
    const form = need<HTMLFormElement>("lx-save-form");
    const field = (name: string): HTMLInputElement => form.elements.namedItem(name) as HTMLInputElement;
    const body = { name: field("name").value.trim(), params: paramsOf(this.#page.state), shared: field("shared").checked };
    const replaces = this.current !== null && field("again").checked ? this.current : null;
    try {
      this.current = replaces ? await change<Saved>("PUT", `saved/${replaces.id}`, body) : await change<Saved>("POST", "saved", body);
      need<HTMLDialogElement>("lx-save-dialog").close();
      toast("ok", `Saved as “${body.name}”.`);
      this.#title();
    } catch (error) {
      const { message, hint } = told(error);
      need("lx-save-error").textContent = [message, hint].filter(Boolean).join(". ");
    }
  }

  #title(): void {
    const title = need("lx-saved-name");
    title.textContent = this.current?.name ?? "";
    title.hidden = !this.current;
  }

  async open(): Promise<void> {
    const list = need("lx-saved-list");
    list.replaceChildren(h("li", { class: "skeleton" }, " "), h("li", { class: "skeleton" }, " "));
    if (!dialog().open) dialog().showModal();
    try {
      const found = await ask<{ items: Saved[]; ready_made: Saved[] }>("saved", "saved");
      this.#items = [...found.items, ...found.ready_made];
      this.#draw();
    } catch (error) {
      const { message, hint } = told(error);
      list.replaceChildren(h("li", { class: "error small", role: "alert" }, [message, hint].filter(Boolean).join(". ")));
    }
  }

  #draw(): void {
    const list = need("lx-saved-list");
    list.replaceChildren(...this.#items.map((one) => this.#row(one)));
    if (this.#items.length === 0)
      list.append(h("li", { class: "empty" }, icon("bookmark", false), h("h3", {}, "No saved searches yet"), h("p", { class: "small" }, "“Save” keeps the query, filters, columns and range of this page under a name.")));
  }

  #row(one: Saved): HTMLElement {
    const state = stateOf(one.params);
    const about = [state.q || (state.filters.length ? `${state.filters.length} ${state.filters.length === 1 ? "filter" : "filters"}` : "all lines"), state.stream.join(", ")].filter(Boolean).join(" · ");
    const row: HTMLElement = h("li", { class: "saved-row" },
      h("button", { type: "button", class: "saved-open", click: () => {
        this.current = one;
        this.#title();
        dialog().close();
        this.#page.go(entered({ ...DEFAULTS, ...state }));
      } }, h("strong", {}, one.name), h("span", { class: "mono tiny muted clip" }, about), h("span", { class: "tiny faint" }, `${one.shared ? "shared" : "only for you"} · ${one.mine ? "yours" : one.by}`)),
      one.may_change && iconButton(one.shared ? "lock" : "share-2", one.shared ? `Keep ${one.name} to yourself` : `Share ${one.name} with everyone`, () => void this.#change(one, { shared: !one.shared })),
      iconButton("link", `Copy the link of ${one.name}`, () => void copy(`${location.origin}/logs${writeAddress(state)}`, "Link")),
      one.may_change && iconButton("pencil", `Rename ${one.name}`, () => {
        const name = h("input", { class: "input", value: one.name, "aria-label": "Name", maxlength: 120 });
        const form = h("form", { class: "row saved-rename", submit: (event: Event) => {
          event.preventDefault();
          if (name.value.trim()) void this.#change(one, { name: name.value.trim() });
        } }, name, h("button", { class: "button primary small", type: "submit" }, "Rename"), h("button", { class: "button quiet small", type: "button", click: () => this.#draw() }, "Cancel"));
        row.replaceChildren(form);
        name.focus();
        name.select();
      }),
      one.may_change && iconButton("trash-2", `Delete ${one.name}`, () => {
        row.replaceChildren(h("span", { class: "small grow" }, `Delete “${one.name}” for good?`),
          h("button", { type: "button", class: "button danger small", click: () => void this.#remove(one) }, "Delete"),
          h("button", { type: "button", class: "button quiet small", click: () => this.#draw() }, "Keep"));
        row.querySelector("button")?.focus();
      }));
    return row;
  }

  async #change(one: Saved, change_: { name?: string; shared?: boolean }): Promise<void> {
    try {
      const made = await change<Saved>("PUT", `saved/${one.id}`, { name: one.name, params: one.params, shared: one.shared, ...change_ });
      if (this.current?.id === one.id) this.current = made;
      this.#title();
      await this.open();
    } catch (error) {
      toast("bad", [told(error).message, told(error).hint].filter(Boolean).join(". "));
    }
  }

  async #remove(one: Saved): Promise<void> {
    try {
      await change("DELETE", `saved/${one.id}`);
      if (this.current?.id === one.id) this.current = null;
      this.#title();
      await this.open();
    } catch (error) {
      toast("bad", [told(error).message, told(error).hint].filter(Boolean).join(". "));
    }
  }
}
