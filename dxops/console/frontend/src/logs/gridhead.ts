/** A head of the list: sorts, moves and removes its column, and sets its width. */
import { h, icon } from "./dom.ts";
import type { Page } from "./page.ts";
import { menu } from "./popover.ts";
import type { Column } from "./types.ts";

export const headCell = (page: Page, column: Column, index: number): HTMLElement => {
  const { sort, order } = page.state;
  const time = index < 0;
  const name = time ? "Time" : column.name;
  const sorts = time ? sort === "" : sort === column.name;
  const put = (columns: Column[]): void => page.go({ cols: columns }, "replace");
  const all = page.columns();
  const move = (by: -1 | 1): void => {
    const made = [...all];
    const [taken] = made.splice(index, 1);
    if (taken) made.splice(index + by, 0, taken);
    put(made);
  };
  const by = (how: "asc" | "desc"): void => page.go({ sort: time ? "" : column.name, order: how, live: false });
  const button = h("button", { type: "button", class: "head-button", "aria-haspopup": "menu", "aria-expanded": "false", click: () =>
    menu(button, `Column ${name}`, [
      { label: time ? "Oldest first" : "Sort rising", icon: "arrow-up", checked: sorts && order === "asc", run: () => by("asc") },
      { label: time ? "Newest first" : "Sort falling", icon: "arrow-down", checked: sorts && order === "desc", run: () => by("desc") },
      ...(time ? [] : [
        null,
        { label: "Move left", icon: "chevron-left", disabled: index === 0, run: () => move(-1) },
        { label: "Move right", icon: "chevron-right", disabled: index === all.length - 1, run: () => move(1) },
        { label: "Break the histogram down by it", icon: "chart-column", run: () => page.go({ by: column.name }) },
        null,
        { label: "Remove the column", icon: "x", run: () => put(all.filter((_, place) => place !== index)) },
      ]),
    ]) }, h("span", { class: "clip" }, name), sorts ? icon(order === "asc" ? "arrow-up" : "arrow-down") : null);
  const cell = h("div", { role: "columnheader", class: "head-cell", "aria-sort": sorts ? (order === "asc" ? "ascending" : "descending") : "none", "data-column": column.name }, button);
  if (!time) {
    cell.append(grip(column, cell, (width) => put(all.map((one, place) => (place === index ? { ...one, width } : one)))));
    dragged(cell, button, (to) => {
      const made = [...all];
      const [taken] = made.splice(index, 1);
      if (taken) made.splice(to, 0, taken);
      put(made);
    });
  }
  return cell;
};

/** The border that is dragged, or moved with the arrow keys; a double click forgets the width. */
const grip = (column: Column, cell: HTMLElement, put: (width: number | null) => void): HTMLElement => {
  const clamp = (width: number): number => Math.round(Math.max(48, Math.min(1600, width)));
  const made = h("div", {
    class: "grip", role: "separator", tabindex: 0, "aria-orientation": "vertical", "aria-label": `Width of ${column.name}`,
    "aria-valuenow": column.width ?? 160, "aria-valuemin": 48, "aria-valuemax": 1600,
    keydown: (event: KeyboardEvent) => {
      const step = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      put(clamp(cell.offsetWidth + step));
      document.querySelector<HTMLElement>(`[data-column="${CSS.escape(column.name)}"] .grip`)?.focus();
    },
    dblclick: () => put(null),
    pointerdown: (event: PointerEvent) => {
      event.preventDefault();
      event.stopPropagation();
      const [from, start] = [event.clientX, cell.offsetWidth];
      made.setPointerCapture(event.pointerId);
      made.toggleAttribute("data-on", true);
      const at = (one: PointerEvent): number => clamp(start + one.clientX - from);
      const moving = (one: PointerEvent): void => {
        made.style.transform = `translateX(${at(one) - start}px)`;
      };
      made.addEventListener("pointermove", moving);
      made.addEventListener("pointerup", (one) => {
        made.removeEventListener("pointermove", moving);
        if (one.clientX !== from) put(at(one));
      }, { once: true });
    },
  });
  return made;
};

/** A head that is dragged over another takes its place. */
const dragged = (cell: HTMLElement, handle: HTMLElement, put: (to: number) => void): void => {
  handle.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    const from = event.clientX;
    let target: HTMLElement | null = null;
    const heads = [...(cell.parentElement?.querySelectorAll<HTMLElement>(".head-cell[data-column]") ?? [])].slice(1);
    const move = (one: PointerEvent): void => {
      if (Math.abs(one.clientX - from) < 8) return;
      cell.toggleAttribute("data-dragged", true);
      for (const head of heads) head.toggleAttribute("data-drop", false);
      target = heads.find((head) => {
        const box = head.getBoundingClientRect();
        return one.clientX >= box.left && one.clientX < box.right;
      }) ?? null;
      if (target && target !== cell) target.toggleAttribute("data-drop", true);
    };
    const end = (): void => {
      document.removeEventListener("pointermove", move);
      const moved = cell.hasAttribute("data-dragged");
      cell.toggleAttribute("data-dragged", false);
      if (!moved) return;
      handle.addEventListener("click", (click) => click.stopImmediatePropagation(), { once: true, capture: true });
      window.setTimeout(() => target && target !== cell && put(heads.indexOf(target)));
    };
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", end, { once: true });
  });
};
