/**
 * The script of the page, as it is sent. It asks for `status.json` once a second while it is seen.
 *
 * All that comes from peers and other sources becomes text by `textContent`, and never markup.
 */
export const SCRIPT = String.raw`const INTERVAL_MS = 1000;
const PEERS = 100;
const HISTORY = 120;
const KEY = "enet-metrics-token";

const byId = (id) => document.getElementById(id);
const state = byId("state");
const main = byId("main");
const login = byId("login");
const sort = byId("sort");
const filter = byId("filter");
const pause = byId("pause");

/** What the charts show, by host and tile. */
const history = new Map();
let token = tokenOfAddress() ?? sessionStorage.getItem(KEY) ?? "";
let timer;
let asking = false;

/** A link may carry the token behind #token=, which browsers do not send. It leaves the address bar at once. */
function tokenOfAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return undefined;
  window.history.replaceState(null, "", location.pathname);
  sessionStorage.setItem(KEY, given);
  return given;
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className !== "") made.className = className;
  made.textContent = text;
  return made;
}

function drawing(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function bytes(value) {
  if (value === null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return (unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)) + " " + units[unit];
}

const rate = (value) => value === null ? "–" : bytes(value) + "/s";
const ms = (value) => value === null ? "–" : (value < 10 ? value.toFixed(1) : Math.round(value)) + " ms";
const percent = (value) => (value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0) + " %";
/** JSON has no NaN and no infinity. */
const whole = (value) => value === null ? "–" : value.toLocaleString("en");

/** A line over the last two minutes. */
function chart(values) {
  const svg = drawing("svg", { viewBox: "0 0 119 34", preserveAspectRatio: "none", "aria-hidden": "true" });
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return svg;
  const most = Math.max(...known, 1e-9);
  const first = HISTORY - values.length;
  const points = values.map((value, index) => [first + index, 32 - (value ?? 0) / most * 29]);
  const line = points.map(([x, y]) => x + " " + y.toFixed(1)).join(" L ");
  const end = points.at(-1)[0];
  svg.append(
    drawing("path", { class: "area", d: "M " + points[0][0] + " 34 L " + line + " L " + end + " 34 Z" }),
    drawing("path", { d: "M " + line }),
  );
  return svg;
}

function tile(host, { key, name, kind = "", value, text, more = "" }) {
  const id = JSON.stringify([host, key]);
  const values = history.get(id) ?? [];
  values.push(value);
  if (values.length > HISTORY) values.shift();
  history.set(id, values);
  const made = element("div", "tile " + kind);
  made.append(element("span", "name", name), element("span", "value", text), element("span", "more", more));
  made.append(chart(values));
  return made;
}

function tiles(host) {
  const trip = host.roundTripMs;
  const list = element("div", "tiles");
  list.append(...[
    { key: "peers", name: "Peers", value: host.peers, text: whole(host.peers), more: "of " + whole(host.peersMaximum) },
    {
      key: "in",
      name: "Received",
      kind: "in",
      value: host.receivedBytesPerSecond,
      text: rate(host.receivedBytesPerSecond),
      more: bytes(host.receivedBytes) + " in all",
    },
    {
      key: "out",
      name: "Sent",
      kind: "out",
      value: host.sentBytesPerSecond,
      text: rate(host.sentBytesPerSecond),
      more: bytes(host.sentBytes) + " in all",
    },
    {
      key: "trip",
      name: "Round trip",
      value: trip?.p50 ?? null,
      text: ms(trip?.p50 ?? null),
      more: trip === null ? "" : "99 % below " + ms(trip.p99),
    },
    { key: "loss", name: "Loss", value: host.loss, text: percent(host.loss), more: "mean of the peers" },
    {
      key: "queue",
      name: "Queued",
      value: host.queuedBytes,
      text: bytes(host.queuedBytes),
      more: "host holds " + bytes(host.memoryBytes),
    },
  ].map((one) => tile(host.host, one)));
  return list;
}

const COLUMNS = [
  { name: "Address", read: (peer) => peer.address },
  { name: "In", sort: "traffic", read: (peer) => rate(peer.receivedBytesPerSecond) },
  { name: "Out", sort: "traffic", read: (peer) => rate(peer.sentBytesPerSecond) },
  { name: "Trip", sort: "round-trip", read: (peer) => ms(peer.roundTripMs) },
  { name: "Jitter", minor: true, read: (peer) => ms(peer.jitterMs) },
  {
    name: "Loss",
    sort: "loss",
    read: (peer) => percent(Math.max(peer.loss, peer.incomingLoss)),
    alarm: (peer) => Math.max(peer.loss, peer.incomingLoss) >= 0.05,
  },
  { name: "Queued", sort: "queue", minor: true, read: (peer) => bytes(peer.queuedBytes) },
];

function row(host, peer, allowKick) {
  const made = element("tr");
  made.dataset.peer = peer.id;
  for (const { read, minor, alarm } of COLUMNS) {
    const cell = element("td", minor ? "minor" : "", read(peer));
    if (alarm?.(peer)) cell.classList.add("alarm");
    made.append(cell);
  }
  if (allowKick) {
    const button = element("button", "", "Kick");
    button.type = "button";
    button.setAttribute("aria-label", "Disconnect " + peer.address);
    button.addEventListener("click", () => kick(host, peer));
    const cell = element("td");
    cell.append(button);
    made.append(cell);
  }
  return made;
}

function table(host, allowKick) {
  const scroll = element("div", "scroll");
  const made = element("table");
  const head = element("tr");
  for (const column of COLUMNS) {
    const cell = element("th", column.minor ? "minor" : "", column.name);
    cell.scope = "col";
    if (column.sort === sort.value) cell.setAttribute("aria-sort", "descending");
    head.append(cell);
  }
  if (allowKick) head.append(element("th"));
  const body = element("tbody");
  body.append(...host.table.map((peer) => row(host.host, peer, allowKick)));
  const top = element("thead");
  top.append(head);
  made.append(top, body);
  scroll.append(made);
  return scroll;
}

function card(host, allowKick) {
  const made = element("article", "host");
  made.append(element("h2", "", host.host + (host.closed ? " (closed)" : "")), tiles(host));
  if (host.table.length > 0) made.append(table(host, allowKick));
  const hidden = host.matching - host.table.length;
  if (hidden > 0) made.append(element("p", "note", whole(hidden) + " more are not shown"));
  else if (host.table.length === 0 && host.peers > 0) made.append(element("p", "note", "No peer matches"));
  return made;
}

function showOthers(families) {
  const rows = families.flatMap(({ name, type, samples }) =>
    samples.map(({ labels = {}, value }) => {
      const shown = Object.entries(labels).map(([key, text]) => key + "=" + text).join(", ");
      const made = element("tr");
      made.append(element("td", "", shown === "" ? name : name + " " + shown));
      const number = type === "gaugehistogram" ? value.counts.reduce((a, b) => a + b, 0) : value;
      made.append(element("td", "", whole(number)));
      return made;
    })
  );
  byId("others").hidden = rows.length === 0;
  byId("others").querySelector("tbody").replaceChildren(...rows);
}

/** Keeps what was scrolled, and the button that has the focus. */
function replaceCards(cards) {
  const shown = byId("hosts");
  const scrolled = [...shown.querySelectorAll(".scroll")].map(({ scrollLeft }) => scrollLeft);
  const label = shown.contains(document.activeElement) ? document.activeElement.ariaLabel : null;
  shown.replaceChildren(...cards);
  shown.querySelectorAll(".scroll").forEach((one, index) => one.scrollLeft = scrolled[index] ?? 0);
  if (label === null) return;
  [...shown.querySelectorAll("button")].find(({ ariaLabel }) => ariaLabel === label)?.focus();
}

function show({ hosts, metrics, allowKick }) {
  const names = new Set(hosts.map(({ host }) => host));
  for (const id of history.keys()) if (!names.has(JSON.parse(id)[0])) history.delete(id);
  const cards = hosts.map((host) => card(host, allowKick));
  // A button that is being pressed must not vanish under the finger.
  if (document.querySelector("td button:active") === null) replaceCards(cards);
  showOthers(metrics);
  document.title = hosts.map(({ peers }) => whole(peers)).join(", ") + " peers · ENet hosts";
  say("Live");
}

function say(text, isAlarm = false) {
  state.textContent = text;
  state.className = isAlarm ? "alarm" : "";
}

const headers = () => token === "" ? {} : { authorization: "Bearer " + token };

async function kick(host, { id, address }) {
  if (!confirm("Disconnect " + address + "?")) return;
  const response = await fetch("kick", {
    method: "POST",
    headers: { ...headers(), "content-type": "application/json" },
    body: JSON.stringify({ host, peer: id }),
  }).catch(() => undefined);
  if (!response?.ok) say("The peer was not disconnected", true);
  void look();
}

function askForToken(isWrong) {
  clearTimeout(timer);
  main.hidden = true;
  login.hidden = false;
  say(isWrong ? "That is not the token" : "This server asks for a token", isWrong);
  byId("token").focus();
}

async function look() {
  clearTimeout(timer);
  if (asking) return;
  asking = true;
  try {
    const query = new URLSearchParams({ sort: sort.value, filter: filter.value.trim(), peers: PEERS });
    const response = await fetch("status.json?" + query, { headers: headers() });
    if (response.status === 401) {
      const isWrong = token !== "";
      token = "";
      sessionStorage.removeItem(KEY);
      return askForToken(isWrong);
    }
    if (!response.ok) throw new Error(await response.text());
    const status = await response.json();
    login.hidden = true;
    main.hidden = false;
    show(status);
  } catch (error) {
    say("No answer: " + error.message, true);
  } finally {
    asking = false;
  }
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (pause.ariaPressed === "true" || document.hidden) return;
  timer = setTimeout(look, INTERVAL_MS);
}

login.addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  sessionStorage.setItem(KEY, token);
  void look();
});
pause.addEventListener("click", () => {
  const isPaused = pause.ariaPressed !== "true";
  pause.ariaPressed = String(isPaused);
  pause.textContent = isPaused ? "Go on" : "Pause";
  if (isPaused) say("Paused");
  schedule();
});
sort.addEventListener("change", look);
filter.addEventListener("input", look);
document.addEventListener("visibilitychange", schedule);
void look();
`;
