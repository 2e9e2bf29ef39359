/** Elements without markup in strings: nothing that a log says is ever read as HTML. */

type Child = Node | string | null | undefined | false;
type Value = string | number | boolean | null | undefined | ((event: never) => void);

const fill = <T extends Element>(element: T, attributes: Record<string, Value>, children: Child[]): T => {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as (event: Event) => void);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) element.append(child);
  return element;
};

/** `h("button", {class: "button", click: go}, "Go")`: functions listen to the event of that name. */
export const h = <K extends keyof HTMLElementTagNameMap>(
  name: K, attributes: Record<string, Value> = {}, ...children: Child[]
): HTMLElementTagNameMap[K] => fill(document.createElement(name), attributes, children);

export const svg = <K extends keyof SVGElementTagNameMap>(
  name: K, attributes: Record<string, Value> = {}, ...children: Child[]
): SVGElementTagNameMap[K] => fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

/** One of the drawings in the page's `<template id="lx-icons">`. */
export const icon = (name: string, small = true): Node => {
  const template = document.getElementById("lx-icons") as HTMLTemplateElement | null;
  const found = template?.content.querySelector(`[data-icon="${name}"]`)?.firstElementChild?.cloneNode(true);
  if (found instanceof Element && small) found.classList.add("small");
  return found ?? document.createTextNode("");
};

export const iconButton = (picture: string, label: string, click: (event: MouseEvent) => void, extra = ""): HTMLButtonElement =>
  h("button", { type: "button", class: `button quiet small icon-only ${extra}`.trim(), "aria-label": label, "data-tip": label, click }, icon(picture));

export const need = <T extends HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
};

export const toast = (tone: "ok" | "bad", text: string): void => {
  document.dispatchEvent(new CustomEvent("toast", { detail: { tone, text } }));
};

export const copy = async (text: string, what: string): Promise<void> => {
  try {
    await navigator.clipboard.writeText(text);
    toast("ok", `${what} copied.`);
  } catch {
    toast("bad", "The browser did not allow copying.");
  }
};

let numbered = 0;
export const freshId = (prefix: string): string => `${prefix}-${(numbered += 1)}`;

export const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
