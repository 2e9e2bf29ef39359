/** Small enhancements: theme, copying, tips, toasts, dialogs, filters, times. */

const part = <T extends Element>(event: Event, selector: string): T | null =>
  event.target instanceof Element ? event.target.closest<T>(selector) : null;

/** A clone of one of the drawings that the page carries in its `<template id="icons">`. */
export const icon = (name: string): Node => {
  const template = document.getElementById("icons") as HTMLTemplateElement | null;
  return template?.content.querySelector(`[data-icon="${name}"]`)?.firstElementChild?.cloneNode(true) ?? document.createTextNode("");
};

export const toast = (tone: "ok" | "bad" | "info", text: string): void => {
  const box = document.getElementById("toasts");
  if (!box) return;
  const item = document.createElement("div");
  item.className = `toast ${tone}`;
  const words = document.createElement("div");
  words.textContent = text;
  const close = document.createElement("button");
  close.className = "button quiet small icon-only close";
  close.type = "button";
  close.setAttribute("aria-label", "Dismiss");
  close.append(icon("x"));
  close.addEventListener("click", () => item.remove());
  item.append(icon(tone === "ok" ? "circle-check" : tone === "bad" ? "circle-alert" : "info"), words, close);
  box.append(item);
  window.setTimeout(() => item.remove(), tone === "bad" ? 12_000 : 5_000);
};
document.addEventListener("toast", (event) => {
  const { tone, text } = (event as CustomEvent<{ tone: "ok" | "bad"; text: string }>).detail;
  toast(tone, text);
});

/* theme: in a cookie, so that the server draws the right one at once */
document.addEventListener("click", (event) => {
  const theme = part<HTMLElement>(event, "[data-theme-set]")?.dataset["themeSet"];
  if (theme === undefined) return;
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `dx_theme=${theme}; Path=/; Max-Age=${theme === "system" ? 0 : 31_536_000}; SameSite=Lax${secure}`;
});

/* what was just done: said once, not again after a reload; `data-toast` for pages that only show one */
for (const notice of document.querySelectorAll<HTMLElement>("[data-done]")) {
  const url = new URL(location.href);
  url.searchParams.delete("done");
  history.replaceState(history.state, "", url);
  toast("ok", notice.textContent?.trim() ?? "");
  notice.remove();
}
document.addEventListener("click", (event) => {
  const button = part<HTMLElement>(event, "[data-toast]");
  if (button) toast(button.dataset["toast"] === "bad" ? "bad" : "ok", button.dataset["toastText"] ?? "");
});

/* work that takes a while: the button says so, and cannot be pressed twice */
document.addEventListener("submit", (event) => {
  const form = event.target instanceof HTMLFormElement && event.target.matches("[data-slow]") ? event.target : null;
  const button = form?.querySelector("button");
  if (!button) return;
  const spinner = document.createElement("span");
  spinner.className = "spinner";
  button.querySelector(".icon")?.replaceWith(spinner);
  window.setTimeout(() => (button.disabled = true));
});

/* copy */
document.addEventListener("click", (event) => {
  const button = part<HTMLElement>(event, "[data-copy]");
  if (!button) return;
  event.preventDefault();
  void copy(button.dataset["copy"] ?? "").then((done) => {
    if (!done) return toast("bad", "The browser did not allow copying.");
    button.toggleAttribute("data-copied", true);
    window.setTimeout(() => button.toggleAttribute("data-copied", false), 1600);
  });
});
const copy = async (text: string): Promise<boolean> => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS, off localhost, there is only the old way.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
};

/* tips, also for the keyboard; fixed, so that no table clips them */
let tip: HTMLElement | null = null;
const hide = (): void => {
  tip?.remove();
  tip = null;
};
const show = (event: Event): void => {
  const owner = part<HTMLElement>(event, "[data-tip]");
  hide();
  const text = owner?.dataset["tip"];
  if (!owner || !text) return;
  tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "tooltip");
  tip.textContent = text;
  (owner.closest("dialog[open]") ?? document.body).append(tip);
  const at = owner.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left + at.width / 2 - width / 2), innerWidth - width - 8);
  const above = at.top - height - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : at.bottom + 8}px`;
};
document.addEventListener("mouseover", show);
document.addEventListener("focusin", (event) => {
  if (event.target instanceof Element && event.target.matches(":focus-visible")) show(event);
});
document.addEventListener("focusout", hide);
document.addEventListener("scroll", hide, true);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
});

/* dialogs */
export const openDialog = (id: string): void => {
  const dialog = document.getElementById(id) as HTMLDialogElement | null;
  if (dialog && !dialog.open) dialog.showModal();
};
document.addEventListener("click", (event) => {
  const opener = part<HTMLElement>(event, "[data-open]");
  if (opener?.dataset["open"] && opener.dataset["open"] !== "palette") {
    if (opener instanceof HTMLAnchorElement) event.preventDefault();
    openDialog(opener.dataset["open"]);
  }
  if (part(event, "[data-close]")) part<HTMLDialogElement>(event, "dialog")?.close();
  if (event.target instanceof HTMLDialogElement) event.target.close();
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]"))
    if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
});
/* `#dialog` and `#drawer` open when the server has filled them, and are empty again when they close */
document.addEventListener("htmx:afterSwap", (event) => {
  const id = (event.target as Element | null)?.id;
  if (id === "dialog" || id === "drawer") openDialog(id);
});
for (const id of ["dialog", "drawer"])
  document.getElementById(id)?.addEventListener("close", (event) => (event.target as Element).replaceChildren());

/* menus: `details` that arrow keys walk */
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector<HTMLDetailsElement>("details.menu[open]");
  if (!menu) return;
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0 || !menu.contains(document.activeElement) || document.activeElement instanceof HTMLInputElement) return;
  event.preventDefault();
  const items = [...menu.querySelectorAll<HTMLElement>(".menu-body :is(a, button)")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  items[at < 0 ? (step > 0 ? 0 : items.length - 1) : (at + step + items.length) % items.length]?.focus();
});

/* filters: rows of `data-filter`'s target whose text holds every word */
const apply = (input: HTMLInputElement): void => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const scope = document.querySelector(input.dataset["filter"] ?? "");
  if (!scope) return;
  let shown = 0;
  for (const row of scope.querySelectorAll<HTMLElement>("[data-row]")) {
    const text = (row.dataset["text"] ?? row.textContent ?? "").toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) shown += 1;
  }
  const nothing = scope.querySelector<HTMLElement>("[data-nothing]");
  if (nothing) nothing.hidden = shown > 0;
};
const filters = (): void => {
  for (const input of document.querySelectorAll<HTMLInputElement>("input[data-filter]")) if (input.value) apply(input);
};
document.addEventListener("input", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset["filter"]) apply(event.target);
});
document.addEventListener("htmx:afterSettle", filters);
document.addEventListener("change", (event) => {
  const field = part<HTMLSelectElement>(event, "[data-submit]");
  field?.form?.requestSubmit();
});

/* times that grow older while the page is open */
const age = (seconds: number): string => {
  const s = Math.abs(seconds);
  if (s < 45) return seconds < -1 ? "in a moment" : "just now";
  const [count, unit] = s < 5400 ? [s / 60, "min"] : s < 129_600 ? [s / 3600, "h"] : [s / 86_400, "day"];
  const whole = Math.max(1, Math.round(count));
  const text = `${whole} ${unit}${unit === "day" && whole !== 1 ? "s" : ""}`;
  return seconds < -1 ? `in ${text}` : `${text} ago`;
};
const times = (): void => {
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-tip]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (Math.abs(seconds) < 2_592_000) time.textContent = age(seconds);
  }
};
window.setInterval(times, 20_000);
