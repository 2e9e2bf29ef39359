// Everything that differs between environments is asked for here, at run time: the same files serve all of them.
const wellKnown = "/.well-known/dx";
const show = (id, text) => { document.getElementById(id).textContent = text; };

async function read(url) {
  try {
    const answer = await fetch(url, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

// The publisher's host is `kube.<domain>` for the main environment and `<environment>.kube.<domain>` for the others.
function placeOf(config) {
  const server = config?.runtime?.services?.publisher?.server;
  if (!server) return null;
  const url = new URL(server);
  const named = url.searchParams.get("environment");
  const parts = /^(?:([^.]+)\.)?kube\.(.+)$/.exec(url.hostname);
  const scheme = url.protocol === "wss:" ? "https:" : "http:";
  return { label: parts?.[1] ?? "", name: named ?? parts?.[1] ?? "prod", domain: parts?.[2] ?? null, scheme, port: url.port };
}

function link(text, href) {
  const made = document.createElement("a");
  made.href = href;
  made.textContent = text;
  return made;
}

function row(name, note, links) {
  const item = document.createElement("li");
  const title = document.createElement("span");
  title.className = "name";
  title.append(name);
  const aside = document.createElement("span");
  aside.className = "note";
  aside.textContent = note;
  const places = document.createElement("span");
  places.className = "links";
  places.append(...links);
  item.append(title, aside, places);
  return item;
}

function quiet(text) {
  const item = document.createElement("li");
  item.className = "quiet";
  item.textContent = text;
  return item;
}

const mine = (module) => (module.urls ?? []).some((url) => new URL(url).hostname === location.hostname);
const linksOf = (module) => (module.urls ?? []).slice(0, 2).map((url, at) => link(at ? "Origin" : "Edge", url));

async function environments(place, app) {
  const list = document.getElementById("environments");
  if (!place?.domain) return list.replaceChildren(quiet("Not told by this host."));
  const port = place.port ? `:${place.port}` : "";
  const labels = [...new Set(["", "staging", "dev", place.label])];
  const rows = await Promise.all(labels.map(async (label) => {
    const host = `${label ? `${label}.` : ""}kube.${place.domain}`;
    const same = label === place.label;
    const registry = await read(`${same ? "" : `${place.scheme}//${host}${port}`}${wellKnown}/registry`);
    const found = registry?.modules?.find((module) => module.name === app);
    return found && row(label || "prod", `${found.version}${same ? ", here" : ""}`, linksOf(found));
  }));
  const shown = rows.filter(Boolean);
  list.replaceChildren(...(shown.length ? shown : [quiet("No other environment answers.")]));
}

function siblings(modules) {
  const others = modules.filter((module) => !mine(module));
  const rows = others.map((module) => row(module.displayName ?? module.name, module.version ?? "", linksOf(module)));
  document.getElementById("siblings").replaceChildren(...(rows.length ? rows : [quiet("No other app in this environment yet.")]));
}

const [config, registry, build] = await Promise.all([
  read(`${wellKnown}/config`), read(`${wellKnown}/registry`), read("/build.json"),
]);
const place = placeOf(config);
const self = registry?.modules?.find(mine);
const pill = document.getElementById("environment");
pill.textContent = place?.name ?? "unknown";
pill.classList.add(place?.name ?? "unknown");
const via = self?.urls?.findIndex((url) => new URL(url).hostname === location.hostname);
show("via", { 0: "through the edge", 1: "from the origin", 2: "on this machine" }[via] ?? "");
show("version", self?.version ?? build?.version ?? "unknown");
show("commit", build?.commit ? build.commit.slice(0, 8) : "not told");
show("cid", self?.bundle ?? "unknown");
document.title = `Hello · ${place?.name ?? "unknown"}`;
if (self?.bundle && navigator.clipboard) {
  const copy = document.getElementById("copy");
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(self.bundle);
    copy.textContent = "Copied";
  });
}
siblings(registry?.modules ?? []);
await environments(place, self?.name ?? "hello");
