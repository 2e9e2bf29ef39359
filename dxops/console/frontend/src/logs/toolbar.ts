/** The buttons of the page's bars: tabs, columns, wrapping, breakdown, sharing, export, inspect, live. */
import { writeAddress } from "./address.ts";
import { copy, h, icon, need } from "./dom.ts";
import { inspect } from "./drawers.ts";
import type { Explorer } from "./main.ts";
import { menu, popover, closePopover, type Choice } from "./popover.ts";
import { combobox } from "./combobox.ts";
import { count } from "./numbers.ts";
import type { Tab } from "./types.ts";

const TABS: readonly Tab[] = ["lines", "patterns", "fields"];
const BREAKDOWNS = ["level", "service", "host", "environment", "_index"];

export const toolbar = (page: Explorer): void => {
  for (const name of TABS) {
    const tab = need(`lx-tab-${name}`);
    tab.addEventListener("click", () => page.go({ tab: name }));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const to = TABS[(TABS.indexOf(name) + step + TABS.length) % TABS.length] ?? name;
      page.go({ tab: to });
      need(`lx-tab-${to}`).focus();
    });
  }
  need("lx-wrap").addEventListener("click", () => page.go({ wrap: !page.state.wrap }, "replace"));
  need("lx-live").addEventListener("click", () => page.live());
  need("lx-tail-pause").addEventListener("click", () => page.pauseOrResume());
  need("lx-tail-new").addEventListener("click", () => page.resume());
  need("lx-new-live").addEventListener("click", () => page.live());
  need("lx-inspect").addEventListener("click", () => {
    const { found, counts } = page;
    const patterns = page.patterns.answer;
    inspect([
      ...(found ? [{ title: "Lines", took_ms: found.took_ms, sql: found.sql, path: `search?${page.query({ limit: "500", order: page.state.order })}` }] : []),
      ...(counts ? [{ title: "Histogram", took_ms: counts.took_ms, sql: counts.sql, path: `histogram?${page.query({ by: page.state.by })}` }] : []),
      ...(patterns && page.state.tab === "patterns" ? [{ title: "Patterns", took_ms: patterns.took_ms, sql: patterns.sql, path: `patterns?${page.query()}` }] : []),
    ]);
  });
  const share = need<HTMLButtonElement>("lx-share");
  share.addEventListener("click", () => {
    const link = (patch: object = {}): string => `${location.origin}${location.pathname}${writeAddress({ ...page.state, live: false, ...patch })}`;
    const window_ = page.found?.window;
    menu(share, "Share", [
      { label: "Copy the link", icon: "link", about: "as it moves with time", run: () => void copy(link(), "Link") },
      { label: "Copy the link of this very range", icon: "clock", disabled: !window_, run: () => window_ && void copy(link({ from: new Date(window_.from_ms).toISOString(), to: new Date(window_.to_ms).toISOString() }), "Link") },
    ]);
  });
  const exported = need<HTMLButtonElement>("lx-export");
  exported.addEventListener("click", () => popover(exported, exportForm(page), { label: "Export", kind: "lx-filter-pop" }));
  const by = need<HTMLButtonElement>("lx-by");
  by.addEventListener("click", () => {
    const now = page.state.by;
    const names = BREAKDOWNS.includes(now) || now === "" ? BREAKDOWNS : [...BREAKDOWNS, now];
    const choices: (Choice | null)[] = [
      ...names.map((name) => ({ label: name === "_index" ? "stream" : name, checked: now === name, run: () => page.go({ by: name }) })),
      { label: "nothing", checked: now === "", run: () => page.go({ by: "" }) },
      null,
      { label: "Another field…", icon: "search", run: () => another(page, by) },
    ];
    menu(by, "Break down by", choices);
  });
  const fields = need("lx-fields-toggle");
  const narrow = matchMedia("(max-width: 60rem)");
  const root = need("lx");
  const told = (): void => fields.setAttribute("aria-expanded", String(narrow.matches ? root.hasAttribute("data-fields") : !root.hasAttribute("data-no-fields")));
  fields.addEventListener("click", () => {
    root.toggleAttribute(narrow.matches ? "data-fields" : "data-no-fields");
    told();
  });
  need("lx-fields-close").addEventListener("click", () => {
    root.toggleAttribute("data-fields", false);
    told();
    fields.focus();
  });
  narrow.addEventListener("change", told);
  told();
  const chart = need("lx-chart-toggle");
  chart.addEventListener("click", () => {
    const hidden = root.toggleAttribute("data-no-chart");
    chart.setAttribute("aria-expanded", String(!hidden));
  });
};

const another = (page: Explorer, anchor: HTMLElement): void => {
  const input = h("input", { class: "input mono", placeholder: "Field", "aria-label": "Field" });
  const apply = (): void => {
    closePopover(true);
    if (input.value.trim()) page.go({ by: input.value.trim() });
  };
  popover(anchor, h("div", { class: "lx-by-form combo" }, input), { label: "Break down by a field", kind: "lx-filter-pop" });
  combobox(input, {
    label: "Fields", delay: 0, submit: apply, accepted: apply,
    suggest: async (text) => (await page.pills.fields()).filter(({ name }) => name.includes(text)).slice(0, 40).map(({ name, kinds }) => ({ kind: "field", label: name, about: kinds.join(", "), text: name, cursor: name.length })),
  });
};

const MOST_EXPORTED = 1_000_000;

/** How many lines, of those that the page asks for, and as what. */
const exportForm = (page: Explorer): HTMLElement => {
  const { order } = page.state;
  const total = page.found?.total_relation === "eq" ? page.found.total : (page.counts?.total ?? null);
  const all = total === null || total > MOST_EXPORTED ? `As many as may be: ${count(MOST_EXPORTED)}` : `All ${count(total)} lines`;
  const limit = h("select", { class: "input", "aria-label": "Lines" },
    h("option", { value: MOST_EXPORTED, selected: true }, all),
    ...[100_000, 10_000, 1_000, 100].filter((most) => total === null || most < total).map((most) =>
      h("option", { value: most }, `The ${order === "desc" ? "newest" : "oldest"} ${count(most)}`)));
  const columns = ["time", ...page.columns().map(({ name }) => name)].join(",");
  const file = (format: string, label: string, extra: Record<string, string>): HTMLAnchorElement => {
    const link = h("a", { class: "button", download: true, click: () => closePopover(true) }, icon("download"), label);
    const follow = (): void => {
      link.href = `/api/logs/export?${page.query({ format, order, limit: limit.value, ...extra })}`;
    };
    limit.addEventListener("change", follow);
    follow();
    return link;
  };
  return h("div", { class: "lx-filter-form" }, limit,
    file("csv", "CSV of the columns", { columns }), file("ndjson", "NDJSON of whole documents", {}));
};
