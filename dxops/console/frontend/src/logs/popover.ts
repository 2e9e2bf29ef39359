/** Things that open beside what was pressed: panels and menus. One at a time; Escape or a click elsewhere closes. */
import { h, icon, need } from "./dom.ts";

let open: { anchor: HTMLElement; close: (refocus?: boolean) => void } | null = null;

export const closePopover = (refocus = false): void => open?.close(refocus);
export const popoverOpen = (): boolean => open !== null;

const place = (box: HTMLElement, anchor: HTMLElement): void => {
  const at = anchor.getBoundingClientRect();
  const { width, height } = box.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, innerWidth - width - 8));
  const below = at.bottom + 4;
  const top = below + height <= innerHeight - 8 ? below : Math.max(8, at.top - 4 - height >= 8 ? at.top - 4 - height : innerHeight - 8 - height);
  box.style.left = `${left}px`;
  box.style.top = `${top}px`;
};

/** Opens `content` at `anchor`; pressing the same anchor again closes it. Returns what closes it. */
export const popover = (
  anchor: HTMLElement, content: Node, options: { label: string; role?: "dialog" | "menu"; kind?: string; closed?: () => void; focus?: boolean },
): (() => void) => {
  const again = open?.anchor === anchor;
  open?.close(again);
  if (again) return () => undefined;
  const box = h("div", { class: `popover ${options.kind ?? ""}`.trim(), role: options.role ?? "dialog", "aria-label": options.label, tabindex: -1 }, content);
  const close = (refocus = false): void => {
    if (open?.close !== close) return;
    open = null;
    box.remove();
    observer.disconnect();
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("keydown", keys, true);
    window.removeEventListener("resize", moved);
    anchor.setAttribute("aria-expanded", "false");
    if (refocus && anchor.isConnected) anchor.focus();
    options.closed?.();
  };
  const outside = (event: Event): void => {
    if (event.target instanceof Node && !box.contains(event.target) && !anchor.contains(event.target)) close();
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog:modal") !== null) return;
    if (box.querySelector("[role=combobox][aria-expanded=true]")) return;
    event.preventDefault();
    event.stopPropagation();
    close(true);
  };
  const moved = (): void => place(box, anchor);
  const observer = new ResizeObserver(moved);
  open = { anchor, close };
  (anchor.closest("dialog") ?? need("main")).append(box);
  anchor.setAttribute("aria-expanded", "true");
  place(box, anchor);
  observer.observe(box);
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("keydown", keys, true);
  window.addEventListener("resize", moved);
  if (options.focus !== false) (box.querySelector<HTMLElement>("[data-first], input, button, a[href], select") ?? box).focus();
  return close;
};

export interface Choice {
  label: string;
  icon?: string;
  about?: string;
  checked?: boolean;
  danger?: boolean;
  disabled?: boolean;
  href?: string;
  run?: () => void;
}

/** A menu of what can be done, walked with the arrow keys. `null` draws a line. */
export const menu = (anchor: HTMLElement, label: string, choices: readonly (Choice | null)[]): void => {
  const list = h("div", { class: "menu-list" });
  for (const choice of choices) {
    if (!choice) {
      list.append(h("hr", { role: "separator" }));
      continue;
    }
    const radio = choice.checked !== undefined;
    const attributes = {
      role: radio ? "menuitemradio" : "menuitem", tabindex: -1, class: choice.danger ? "danger" : "",
      ...(radio ? { "aria-checked": String(choice.checked) } : {}),
      ...(choice.disabled ? { "aria-disabled": "true" } : {}),
    };
    const parts = [
      radio ? h("span", { class: "mark" }, choice.checked ? icon("check") : null) : choice.icon ? icon(choice.icon) : null,
      h("span", { class: "grow" }, choice.label),
      choice.about ? h("span", { class: "faint tiny" }, choice.about) : null,
    ];
    const item = choice.href
      ? h("a", { ...attributes, href: choice.href, download: true, click: () => closePopover(true) }, ...parts)
      : h("button", { ...attributes, type: "button", click: () => {
          if (choice.disabled) return;
          closePopover(true);
          choice.run?.();
        } }, ...parts);
    list.append(item);
  }
  list.addEventListener("keydown", (event) => {
    const items = [...list.querySelectorAll<HTMLElement>("[role^=menuitem]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Tab") closePopover(true);
    if (to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length]?.focus();
  });
  popover(anchor, list, { label, role: "menu", kind: "menu-pop" });
};
