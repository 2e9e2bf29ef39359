/** The keyboard: `g` and a letter goes places, `/` filters, `j`/`k` walk rows, `?` lists it all. */
import { openDialog } from "./page";

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

let going = 0;

const walk = (step: 1 | -1): void => {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")].filter((row) => row.offsetParent !== null);
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  const row = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)];
  if (!row) return;
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target instanceof HTMLInputElement && event.target.dataset["filter"] && event.key === "Escape") {
    event.target.blur();
    return;
  }
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (Date.now() - going < 1200) {
    going = 0;
    const link = document.querySelector<HTMLAnchorElement>(`.nav-link[data-key="${CSS.escape(event.key)}"]`);
    if (link) {
      event.preventDefault();
      location.assign(link.href);
    }
    return;
  }
  switch (event.key) {
    case "g":
      going = Date.now();
      break;
    case "/": {
      const input = document.querySelector<HTMLInputElement>("main input[type=search], main input[data-slash]");
      if (!input) return;
      event.preventDefault();
      input.focus();
      input.select();
      break;
    }
    case "?":
      event.preventDefault();
      openDialog("keys");
      break;
    case "j":
      walk(1);
      break;
    case "k":
      walk(-1);
      break;
    case "Enter": {
      const row = document.activeElement;
      if (!(row instanceof HTMLElement) || row.dataset["row"] === undefined) return;
      row.querySelector<HTMLElement>("[data-row-link], a")?.click();
      break;
    }
  }
});
