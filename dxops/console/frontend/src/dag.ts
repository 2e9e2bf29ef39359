/** A DAG as a tree of boxes: expanded on demand, dragged and zoomed, walked with the arrow keys. */
interface Block {
  cid: string;
  name: string;
  kind: string;
  size: string;
  more: boolean;
  parent: Block | null;
  children: Block[];
  open: boolean;
  loaded: boolean;
  hidden: number;
  x: number;
  y: number;
  element?: SVGGElement;
}
export interface Answer {
  kind: string;
  codec: string;
  size: string;
  links: { name: string; cid: string; size: string }[];
  total: number;
}

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 190;
const HEIGHT = 42;
const GAP_X = 56;
const GAP_Y = 12;

const make = <K extends keyof SVGElementTagNameMap>(name: K, attributes: Record<string, string | number>): SVGElementTagNameMap[K] => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
};
const short = (text: string, limit: number): string => (text.length > limit ? `${text.slice(0, limit - 6)}…${text.slice(-5)}` : text);

const host = document.querySelector<HTMLElement>("[data-dag]");
if (host?.dataset["dag"]) {
  const node = (cid: string, name: string, size: string, parent: Block | null): Block => ({
    cid, name, kind: "", size, more: true, parent, children: [], open: false, loaded: false, hidden: 0, x: 0, y: 0,
  });
  const root = node(host.dataset["dag"], "root", "", null);
  const svg = make("svg", { role: "tree", "aria-label": "Blocks below this CID" });
  const world = make("g", {});
  const edges = make("g", {});
  const boxes = make("g", {});
  world.append(edges, boxes);
  svg.append(world);
  host.prepend(svg);
  let view = { x: 24, y: 24, scale: 1 };
  let focused = root;

  const look = (): void => world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  const visible = (): Block[] => {
    const all: Block[] = [];
    const visit = (one: Block): void => {
      all.push(one);
      if (one.open) one.children.forEach(visit);
    };
    visit(root);
    return all;
  };
  const place = (): void => {
    let row = 0;
    const put = (one: Block, depth: number): void => {
      one.x = depth * (WIDTH + GAP_X);
      if (one.open && one.children.length) {
        for (const child of one.children) put(child, depth + 1);
        one.y = ((one.children[0]?.y ?? 0) + (one.children.at(-1)?.y ?? 0)) / 2;
      } else {
        one.y = row * (HEIGHT + GAP_Y);
        row += 1;
      }
    };
    put(root, 0);
  };
  const draw = (): void => {
    place();
    edges.replaceChildren();
    const shown = visible();
    for (const one of shown) {
      if (!one.parent) continue;
      const [x1, y1, x2, y2] = [one.parent.x + WIDTH, one.parent.y + HEIGHT / 2, one.x, one.y + HEIGHT / 2];
      edges.append(make("path", { class: "edge", d: `M${x1} ${y1}C${x1 + GAP_X / 2} ${y1} ${x2 - GAP_X / 2} ${y2} ${x2} ${y2}` }));
    }
    boxes.replaceChildren(
      ...shown.map((one) => {
        const box = make("g", {
          class: `node${one.open ? " open" : ""}`, transform: `translate(${one.x} ${one.y})`, role: "treeitem",
          tabindex: one === focused ? 0 : -1,
        });
        if (one.more) box.setAttribute("aria-expanded", String(one.open));
        box.append(make("rect", { width: WIDTH, height: HEIGHT, rx: 7 }));
        const title = make("text", { x: 12, y: 17 });
        title.textContent = short(one.name || "(no name)", 21);
        const sub = make("text", { x: 12, y: 32, class: "sub" });
        sub.textContent = `${one.cid.slice(0, 7)}…${one.cid.slice(-4)} ${one.size}`;
        box.append(title, sub);
        if (one.more) {
          const [x, y] = [WIDTH - 18, HEIGHT / 2];
          const sign = make("path", { class: "more", d: `M${x - 4} ${y}h8${one.open ? "" : `M${x} ${y - 4}v8`}` });
          box.append(sign);
        }
        box.addEventListener("click", () => void toggle(one));
        one.element = box;
        return box;
      }),
    );
  };
  const focus = (one: Block): void => {
    focused = one;
    draw();
    one.element?.focus({ preventScroll: true });
    const at = { x: view.x + one.x * view.scale, y: view.y + one.y * view.scale };
    const frame = host.getBoundingClientRect();
    if (at.x < 0 || at.x + WIDTH * view.scale > frame.width) view.x += frame.width / 2 - at.x - (WIDTH * view.scale) / 2;
    if (at.y < 0 || at.y + HEIGHT * view.scale > frame.height) view.y += frame.height / 2 - at.y;
    look();
  };
  const load = async (one: Block): Promise<void> => {
    if (one.loaded) return;
    const answer = await fetch(`/console/dag/${encodeURIComponent(one.cid)}`, { headers: { Accept: "application/json" } });
    one.loaded = true;
    if (!answer.ok) {
      one.kind = "not held";
      one.size = "not held here";
      one.more = false;
      return;
    }
    const found = (await answer.json()) as Answer;
    one.kind = found.kind;
    one.size = found.size;
    one.children = found.links.map((link) => node(link.cid, link.name, link.size, one));
    if (found.total > found.links.length) {
      const rest = node(one.cid, `${found.total - found.links.length} more links`, "", one);
      rest.more = false;
      rest.loaded = true;
      one.children.push(rest);
    }
    one.more = one.children.length > 0;
  };
  const toggle = async (one: Block): Promise<void> => {
    await load(one);
    one.open = one.more && !one.open;
    focus(one);
  };
  svg.addEventListener("keydown", (event) => {
    const shown = visible();
    const at = shown.indexOf(focused);
    const moves: Record<string, () => void> = {
      ArrowDown: () => focus(shown[Math.min(at + 1, shown.length - 1)] ?? focused),
      ArrowUp: () => focus(shown[Math.max(at - 1, 0)] ?? focused),
      ArrowRight: () => void (focused.open ? focus(focused.children[0] ?? focused) : toggle(focused)),
      ArrowLeft: () => void (focused.open ? toggle(focused) : focus(focused.parent ?? focused)),
      Enter: () => location.assign(`/content/${focused.cid}`),
      " ": () => void toggle(focused),
      "+": () => zoom(1.2),
      "-": () => zoom(1 / 1.2),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  });
  const zoom = (factor: number, x = host.clientWidth / 2, y = host.clientHeight / 2): void => {
    const scale = Math.min(2.5, Math.max(0.2, view.scale * factor));
    view = { x: x - ((x - view.x) * scale) / view.scale, y: y - ((y - view.y) * scale) / view.scale, scale };
    look();
  };
  const fit = (): void => {
    const shown = visible();
    const width = Math.max(...shown.map((one) => one.x)) + WIDTH;
    const height = Math.max(...shown.map((one) => one.y)) + HEIGHT;
    const scale = Math.min(1, (host.clientWidth - 48) / width, (host.clientHeight - 48) / height);
    view = { scale, x: 24, y: Math.max(24, (host.clientHeight - height * scale) / 2) };
    look();
  };
  host.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const frame = host.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.12 : 1 / 1.12, event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  let drag: { x: number; y: number; id: number } | null = null;
  svg.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX - view.x, y: event.clientY - view.y, id: event.pointerId };
  });
  svg.addEventListener("pointermove", (event) => {
    if (!drag || drag.id !== event.pointerId) return;
    host.classList.add("dragging");
    view.x = event.clientX - drag.x;
    view.y = event.clientY - drag.y;
    look();
  });
  for (const name of ["pointerup", "pointerleave", "pointercancel"] as const)
    svg.addEventListener(name, () => {
      drag = null;
      host.classList.remove("dragging");
    });
  for (const button of host.querySelectorAll<HTMLElement>("[data-dag-zoom]"))
    button.addEventListener("click", () => {
      const how = button.dataset["dagZoom"];
      if (how === "fit") fit();
      else zoom(how === "in" ? 1.25 : 0.8);
    });
  void load(root).then(() => {
    root.open = root.more;
    draw();
    fit();
  });
}
