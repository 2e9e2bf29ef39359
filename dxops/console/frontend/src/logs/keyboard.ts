/** The explorer's keys. They come before those of every page. */
import { need, typing } from "./dom.ts";
import type { Explorer } from "./main.ts";
import { popoverOpen } from "./popover.ts";
import type { QueryBar } from "./querybar.ts";

export class Keyboard {
  constructor(page: Explorer, bar: QueryBar) {
    let going = 0;
    const keys: Record<string, () => void> = {
      "/": () => bar.focus(),
      j: () => page.grid.walk(1),
      k: () => page.grid.walk(-1),
      f: () => {
        const line = page.grid.current;
        page.pills.edit((line && page.grid.rowOf(line)) ?? need("lx-add-filter"), null, -1, line);
      },
      t: () => page.live(),
      p: () => page.pauseOrResume(),
      w: () => page.go({ wrap: !page.state.wrap }, "replace"),
      r: () => page.refresh(),
      z: () => need("lx-wider").click(),
    };
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
      if (document.querySelector("dialog:modal") || popoverOpen() || typing(event.target)) return;
      // `g` and a letter go to another page
      if (Date.now() - going < 1200) {
        going = 0;
        return;
      }
      if (event.key === "g") going = Date.now();
      const row = event.target instanceof Element && event.target.matches(".line-row");
      const act = event.key === "Escape" ? () => page.grid.collapse()
        : row && event.key === "Enter" ? () => page.grid.toggle()
        : row && (event.key === "ArrowDown" || event.key === "ArrowUp") ? () => page.grid.walk(event.key === "ArrowDown" ? 1 : -1)
        : keys[event.key];
      if (!act || (event.key.length === 1 && page.state.tab !== "lines" && "jk".includes(event.key))) return;
      event.preventDefault();
      act();
    }, true);
  }
}
