/** htmx under our content security policy, and regions that follow the server without disturbing the reader. */
import htmx from "htmx.org";
import { Idiomorph } from "idiomorph/dist/idiomorph.esm.js";

import { toast } from "./page";

declare global {
  interface Window {
    htmx?: typeof htmx;
  }
}
window.htmx = htmx;

htmx.defineExtension("morph", {
  isInlineSwap: (style: string) => style === "morph",
  handleSwap: (style: string, target: Node, fragment: Node) => {
    if (style !== "morph") return false;
    return Idiomorph.morph(target, (fragment as DocumentFragment).children, { morphStyle: "outerHTML", ignoreActiveValue: true });
  },
} as unknown as Parameters<typeof htmx.defineExtension>[1]);

const meta = (name: string): string => document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";

document.addEventListener("htmx:configRequest", (event) => {
  const detail = (event as CustomEvent).detail as { headers: Record<string, string> };
  detail.headers["X-CSRF-Token"] = meta("csrf-token");
});

/** A live region must not change under a reader's selection, an open tooltip is fine: morphing keeps focus. */
document.addEventListener("htmx:beforeSwap", (event) => {
  const detail = (event as CustomEvent).detail as { target: Element; shouldSwap: boolean; requestConfig?: { elt?: Element } };
  if (!detail.requestConfig?.elt?.hasAttribute("data-live")) return;
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && selection.containsNode(detail.target, true)) detail.shouldSwap = false;
});

let pending = 0;
const busy = document.getElementById("busy");
document.addEventListener("htmx:beforeRequest", (event) => {
  const element = (event as CustomEvent).detail.elt as Element;
  if (element.hasAttribute("data-live")) return;
  pending += 1;
  busy?.toggleAttribute("data-on", true);
});
document.addEventListener("htmx:afterRequest", (event) => {
  const element = (event as CustomEvent).detail.elt as Element;
  if (element.hasAttribute("data-live")) return;
  pending = Math.max(0, pending - 1);
  if (pending === 0) busy?.toggleAttribute("data-on", false);
});

const problem = (text: string): string => {
  try {
    const body = JSON.parse(text) as { error?: { message?: string; hint?: string } };
    return [body.error?.message, body.error?.hint].filter(Boolean).join(" – ") || "That did not work.";
  } catch {
    return "That did not work. Reload the page and try again.";
  }
};
document.addEventListener("htmx:responseError", (event) => {
  const detail = (event as CustomEvent).detail as { xhr: XMLHttpRequest; elt: Element };
  if (!detail.elt.hasAttribute("data-live")) toast("bad", problem(detail.xhr.responseText));
});
document.addEventListener("htmx:sendError", (event) => {
  const detail = (event as CustomEvent).detail as { elt: Element };
  if (!detail.elt.hasAttribute("data-live")) toast("bad", "dxops does not answer. Is it running?");
});

/** `data-live` elements refresh when the server says that something changed, and every now and then. */
const regions = (): NodeListOf<HTMLElement> => document.querySelectorAll<HTMLElement>("[data-live]");
const refresh = (): void => {
  if (document.hidden || document.querySelector("dialog[open]")) return;
  for (const region of regions()) htmx.trigger(region, "refresh", {});
};
if (regions().length > 0) {
  const show = (on: boolean): void => {
    for (const sign of document.querySelectorAll<HTMLElement>(".live")) {
      sign.dataset["state"] = on ? "on" : "off";
      const word = sign.querySelector("[data-word]");
      if (word) word.textContent = on ? "Live" : "Reconnecting";
    }
  };
  const source = new EventSource("/console/events");
  source.addEventListener("open", () => show(true));
  source.addEventListener("error", () => show(false));
  source.addEventListener("changed", refresh);
  window.setInterval(refresh, 15_000);
  document.addEventListener("visibilitychange", refresh);
  window.addEventListener("pagehide", () => source.close());
}
