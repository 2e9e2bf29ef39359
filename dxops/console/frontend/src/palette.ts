/** Ctrl/Cmd-K: go to any page, app, release or CID. The server gives the entries once; choosing is local. */
import { icon } from "./page";

interface Entry {
  label: string;
  where: string;
  href: string;
  icon: string;
}

const dialog = document.getElementById("palette") as HTMLDialogElement | null;
const input = dialog?.querySelector("input");
const list = document.getElementById("palette-list");
let entries: Entry[] = [];
let chosen = 0;

/** Letters in order, words and beginnings first; -1 for no match. */
const score = (text: string, query: string): number => {
  const low = text.toLowerCase();
  const at = low.indexOf(query);
  if (at >= 0) return 1000 - at - low.length / 100 + (at === 0 || /\W/.test(low[at - 1] ?? "") ? 500 : 0);
  let from = 0;
  for (const letter of query) {
    from = low.indexOf(letter, from) + 1;
    if (from === 0) return -1;
  }
  return 100 - from;
};

const pages = (): Entry[] =>
  [...document.querySelectorAll<HTMLAnchorElement>(".nav-link")].map((link) => ({
    label: link.firstChild?.nextSibling?.textContent?.trim() ?? link.textContent?.trim() ?? "",
    where: "Page",
    href: link.href,
    icon: "arrow-right",
  }));

const found = (query: string): Entry[] => {
  const wanted = query.trim().toLowerCase();
  if (/^(Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{30,}|f01[0-9a-f]{40,})(\/.*)?$/.test(query.trim()))
    return [{ label: query.trim(), where: "Browse this CID", href: `/content/${query.trim()}`, icon: "boxes" }];
  const all = [...pages(), ...entries];
  if (!wanted) return all.slice(0, 40);
  return all
    .map((entry) => ({ entry, rank: Math.max(score(entry.label, wanted), score(`${entry.where} ${entry.label}`, wanted) - 200) }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => b.rank - a.rank)
    .slice(0, 40)
    .map(({ entry }) => entry);
};

const draw = (): void => {
  if (!list || !input) return;
  const options = found(input.value).map((entry, index) => {
    const option = document.createElement("div");
    option.role = "option";
    option.id = `palette-${index}`;
    option.dataset["href"] = entry.href;
    option.ariaSelected = String(index === chosen);
    const label = document.createElement("span");
    label.className = "clip";
    label.textContent = entry.label;
    const where = document.createElement("span");
    where.className = "where nowrap";
    where.textContent = entry.where;
    option.append(icon(entry.icon), label, where);
    return option;
  });
  if (options.length === 0) {
    const nothing = document.createElement("div");
    nothing.className = "palette-title";
    nothing.textContent = "Nothing by that name.";
    list.replaceChildren(nothing);
  } else list.replaceChildren(...options);
  input.setAttribute("aria-activedescendant", options.length ? `palette-${chosen}` : "");
  list.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
};

const open = async (): Promise<void> => {
  if (!dialog || !input || dialog.open) return;
  input.value = "";
  chosen = 0;
  dialog.showModal();
  input.focus();
  draw();
  const answer = await fetch("/console/palette", { headers: { Accept: "application/json" } });
  if (answer.ok) {
    entries = (await answer.json()) as Entry[];
    draw();
  }
};

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    void open();
  }
});
document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest('[data-open="palette"]')) void open();
  const option = target?.closest<HTMLElement>("#palette-list [data-href]");
  if (option?.dataset["href"]) location.assign(option.dataset["href"]);
});
input?.addEventListener("input", () => {
  chosen = 0;
  draw();
});
input?.addEventListener("keydown", (event) => {
  const count = list?.querySelectorAll("[data-href]").length ?? 0;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    chosen = count ? (chosen + (event.key === "ArrowDown" ? 1 : count - 1)) % count : 0;
    draw();
  } else if (event.key === "Enter") {
    event.preventDefault();
    const href = list?.querySelector<HTMLElement>('[aria-selected="true"]')?.dataset["href"];
    if (href) location.assign(href);
  }
});
