/** A run's log, live: lines come as server-sent events and are added in batches; colours are classes, never markup. */
const box = document.querySelector<HTMLElement>("[data-log]");
const list = box?.querySelector("ol");
const follow = document.querySelector<HTMLButtonElement>("[data-log-follow]");
const state = document.querySelector<HTMLElement>("[data-log-state]");

interface Line {
  seq: number;
  at: string;
  stream: string;
  text: string;
  app: string | null;
}

/** The canonical colours of a kept line (`wire/sgr.py`): every sequence states all that holds after it. */
const paint = (text: string, into: HTMLElement): void => {
  let classes = "";
  // eslint-disable-next-line no-control-regex
  for (const piece of text.split(/(\u001b\[[0-9;]*m)/)) {
    // eslint-disable-next-line no-control-regex
    const codes = /^\u001b\[([0-9;]*)m$/.exec(piece);
    if (codes) {
      classes = (codes[1] ?? "").split(";").filter((code) => Number(code) > 0).map((code) => `ansi-${code}`).join(" ");
    } else if (piece) {
      const span = document.createElement("span");
      span.className = classes;
      span.textContent = piece;
      into.append(span);
    }
  }
};

if (box && list && box.dataset["log"]) {
  let following = true;
  const several = box.dataset["apps"] !== "1";
  const started = Date.parse(box.dataset["started"] ?? "");
  const waiting: Line[] = [];
  const set = (on: boolean): void => {
    following = on;
    follow?.setAttribute("aria-pressed", String(on));
    if (on) box.scrollTop = box.scrollHeight;
  };
  const flush = (): void => {
    if (waiting.length === 0) return;
    const added = document.createDocumentFragment();
    for (const line of waiting.splice(0)) {
      const item = document.createElement("li");
      item.className = line.stream === "out" ? "" : line.stream;
      const number = document.createElement("span");
      number.className = "n";
      number.textContent = String(line.seq);
      const time = document.createElement("span");
      time.className = "t";
      time.textContent = `${((Date.parse(line.at) - started) / 1000).toFixed(1)} s`;
      const text = document.createElement("span");
      if (line.app && several) {
        const app = document.createElement("span");
        app.className = "app";
        app.textContent = `${line.app}  `;
        text.append(app);
      }
      // the command line names the app in each line too: once is enough
      paint(line.app && line.text.startsWith(`${line.app}: `) ? line.text.slice(line.app.length + 2) : line.text, text);
      item.append(number, time, text);
      added.append(item);
    }
    list.append(added);
    document.querySelector("[data-log-empty]")?.remove();
    if (following) box.scrollTop = box.scrollHeight;
  };
  const source = new EventSource(box.dataset["log"]);
  source.addEventListener("line", (event) => {
    waiting.push(JSON.parse((event as MessageEvent<string>).data) as Line);
    if (waiting.length === 1) requestAnimationFrame(flush);
  });
  source.addEventListener("end", () => {
    source.close();
    flush();
    if (state) state.hidden = true;
    if (box.dataset["running"] === "true") location.reload();
  });
  box.addEventListener("wheel", (event) => {
    if (event.deltaY < 0) set(false);
  }, { passive: true });
  box.addEventListener("scroll", () => {
    if (box.scrollTop + box.clientHeight >= box.scrollHeight - 4 && !following) set(true);
  }, { passive: true });
  follow?.addEventListener("click", () => set(!following));
  window.addEventListener("pagehide", () => source.close());
}
