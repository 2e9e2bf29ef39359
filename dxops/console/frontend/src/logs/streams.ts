/** Which streams are searched: all, some by name, or by wildcard. */
import { ask, told } from "./api.ts";
import { h, need } from "./dom.ts";
import { bytes, count } from "./numbers.ts";
import type { Page } from "./page.ts";
import { closePopover, popover } from "./popover.ts";
import type { StreamInfo } from "./types.ts";

export class Streams {
  readonly #page: Page;
  readonly #button = need<HTMLButtonElement>("lx-streams");
  known: StreamInfo[] = [];

  constructor(page: Page) {
    this.#page = page;
    this.#button.addEventListener("click", () => void this.open());
  }

  async load(): Promise<StreamInfo[]> {
    this.known = (await ask<{ items: StreamInfo[] }>("streams", "streams")).items;
    return this.known;
  }

  async open(): Promise<void> {
    const page = this.#page;
    const chosen = new Set(page.state.stream);
    const list = h("ul", { class: "lx-stream-list" }, h("li", {}, h("span", { class: "skeleton" }, " ")));
    const apply = (): void => {
      closePopover(true);
      page.go({ stream: [...chosen] });
    };
    const search = h("input", { class: "input", type: "search", placeholder: "Name, or pattern like web-*", "aria-label": "Find a stream, or give a pattern", autocomplete: "off", spellcheck: "false",
      input: () => draw(),
      keydown: (event: KeyboardEvent) => {
        if (event.key !== "Enter" || !search.value.trim()) return;
        event.preventDefault();
        chosen.clear();
        chosen.add(search.value.trim());
        apply();
      } });
    const draw = (): void => {
      const wanted = search.value.trim().toLowerCase();
      const names = [...[...chosen].filter((name) => !this.known.some((one) => one.name === name)).map((name) => ({ name, about: "pattern" })),
        ...this.known.map((one) => ({ name: one.name, about: `${count(one.documents)} · ${bytes(one.bytes)}` }))];
      const shown = names.filter(({ name }) => name.toLowerCase().includes(wanted.replace(/\*/g, ""))).slice(0, 200);
      list.replaceChildren(...shown.map(({ name, about }) =>
        h("li", {}, h("label", { class: "lx-stream" }, h("input", { type: "checkbox", checked: chosen.has(name), change: (event: Event) => {
          if ((event.target as HTMLInputElement).checked) chosen.add(name);
          else chosen.delete(name);
        } }), h("span", { class: "clip mono", title: name }, name), h("span", { class: "faint tiny num nowrap" }, about)))));
      if (wanted.includes("*")) list.prepend(h("li", { class: "tiny faint lx-stream-hint" }, "Enter searches all streams of this pattern"));
      if (shown.length === 0 && !wanted.includes("*")) list.append(h("li", { class: "tiny faint lx-stream-hint" }, this.known.length ? "No stream by that name." : "No streams yet."));
    };
    const panel = h("div", { class: "lx-stream-panel" }, search, list,
      h("div", { class: "row lx-form-foot" },
        h("button", { type: "button", class: "button quiet small", click: () => {
          chosen.clear();
          apply();
        } }, "All streams"),
        h("button", { type: "button", class: "button primary small", click: apply }, "Show")));
    draw();
    popover(this.#button, panel, { label: "Streams", kind: "lx-stream-pop" });
    try {
      await this.load();
      draw();
    } catch (error) {
      list.replaceChildren(h("li", { class: "error tiny" }, told(error).message));
    }
  }
}
