/** What opens over the list: a line by its link, the lines around one, the SQL that ran. */
import { aborted, ask, told } from "./api.ts";
import { copy, h, icon, need } from "./dom.ts";
import { wholeLine } from "./detail.ts";
import { levelOf, shown, valueOf } from "./document.ts";
import { readLineKey, type Page } from "./page.ts";
import type { Line } from "./types.ts";

const drawer = (): HTMLDialogElement => need<HTMLDialogElement>("lx-drawer");

const fill = (title: string, ...content: Node[]): void => {
  need("lx-drawer-title").textContent = title;
  need("lx-drawer-body").replaceChildren(...content);
  if (!drawer().open) drawer().showModal();
};

const failed = (error: unknown): HTMLElement => {
  const { message, hint } = told(error);
  return h("div", { class: "empty", role: "alert" }, icon("circle-alert", false), h("h3", {}, message), h("p", {}, hint));
};

const skeleton = (): HTMLElement => h("div", { class: "stack-tight", "aria-hidden": "true" }, ...[1, 2, 3, 4, 5].map(() => h("span", { class: "skeleton" }, " ")));

/** The line that the address names. */
export const openLine = async (page: Page, key: string): Promise<void> => {
  const named = readLineKey(key);
  if (!named) return;
  fill("Line", skeleton());
  try {
    const line = await ask<Line>("line", `lines/${encodeURIComponent(named.stream)}/${named.seq}`, new URLSearchParams({ ts_ms: named.ts_ms }));
    fill("Line", wholeLine(page, line));
  } catch (error) {
    if (!aborted(error)) fill("Line", failed(error));
  }
};

/** The lines before and after one, of its stream or of all that the page shows. */
export const openSurrounding = async (page: Page, line: Line): Promise<void> => {
  let count = 20;
  let scope: "stream" | "host" | "query" = "stream";
  const list = h("ol", { class: "around", "aria-label": "Lines in their order" });
  const load = async (): Promise<void> => {
    const query = page.query({ ts_ms: String(line.ts_ms), seq: line.seq, count: String(count) });
    query.delete("stream");
    query.delete("from");
    query.delete("to");
    if (scope !== "query") {
      query.delete("query");
      query.delete("filter");
    }
    query.set("stream", line.stream);
    if (scope === "host" && line.host) query.append("filter", JSON.stringify({ field: "host", op: "is", value: line.host }));
    list.setAttribute("aria-busy", "true");
    try {
      const { items, at } = await ask<{ items: Line[]; at: number }>("around", "around", query);
      list.replaceChildren(...items.map((one, index) => {
        const level = levelOf(one.level);
        return h("li", { "data-level": level, "data-here": index === at, "aria-current": index === at ? "true" : false },
          h("span", { class: "num faint", title: page.zone.long(one.ts_ms) }, page.zone.split(one.ts_ms)[1]),
          h("span", { class: `severity ${level}` }, one.level),
          h("span", { class: "around-text" }, shown(valueOf(one, "message")).slice(0, 2000)));
      }));
      list.querySelector("[data-here]")?.scrollIntoView({ block: "center" });
    } catch (error) {
      if (!aborted(error)) list.replaceChildren(failed(error));
    } finally {
      list.setAttribute("aria-busy", "false");
    }
  };
  const choice = (name: typeof scope, label: string): HTMLElement =>
    h("label", {}, h("input", { type: "radio", name: "lx-around", checked: scope === name, change: () => {
      scope = name;
      void load();
    } }), label);
  fill("Surrounding lines",
    h("div", { class: "row loose lx-around-head" },
      h("div", { class: "segmented small", role: "radiogroup", "aria-label": "Which lines" }, choice("stream", "Same stream"), ...(line.host ? [choice("host", `Host ${line.host}`)] : []), choice("query", "Query and filters")),
      h("button", { type: "button", class: "button small", click: () => {
        count = Math.min(500, count + 30);
        void load();
      } }, "More on both sides")),
    list);
  await load();
};

/** What ran, how long it took, and how to ask the same by hand. */
export const inspect = (parts: readonly { title: string; took_ms: number | null; sql: string; path: string }[]): void => {
  const address = `${location.origin}/api/logs/`;
  fill("Inspect",
    h("p", { class: "small muted" }, "The statements that made this page, as the store ran them. They can be run again on SQL (", h("code", {}, "POST /api/sql"), ")."),
    ...parts.map(({ title, took_ms, sql, path }) =>
      h("section", { class: "stack-tight" },
        h("div", { class: "split" }, h("h3", {}, title), h("span", { class: "row gap-1" }, took_ms === null ? null : h("span", { class: "num small muted" }, `${Math.round(took_ms * 10) / 10} ms`),
          h("button", { type: "button", class: "button quiet small", click: () => void copy(sql, "SQL") }, icon("copy"), "SQL"),
          h("button", { type: "button", class: "button quiet small", click: () => void copy(`curl -H "Authorization: Bearer $TOKEN" '${address}${path.replaceAll("'", "%27")}'`, "Command") }, icon("terminal"), "curl"))),
        h("pre", { class: "code lx-sql", tabindex: 0, role: "region", "aria-label": `SQL of ${title}` }, sql))));
};

drawer().addEventListener("close", () => need("lx-drawer-body").replaceChildren());
