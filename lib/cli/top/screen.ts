/**
 * What `enet top` shows, in lines of 80 columns.
 *
 * @module
 */
import type { MetricFamily } from "../../metrics/family.ts";
import type { HostStatus, PeerStatus, Status, StatusQuery } from "../../metrics/status.ts";
import type { Terminal } from "../frame/terminal.ts";
import { printable } from "../frame/text.ts";

/** Most lines for what other sources tell. */
const OTHERS = 12;

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A number of bytes: `1.2 MB`; a dash where it is not known. */
export function bytes(value: number | null): string {
  if (value === null) return "-";
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

const rate = (value: number | null) => value === null ? "-" : `${bytes(value)}/s`;

const ms = (value: number | null) =>
  value === null ? "-" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

const percent = (share: number) => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

/** The loss of the direction that loses more. */
const lossOf = ({ loss, incomingLoss }: PeerStatus) => Math.max(loss, incomingLoss);

/** A text of at most so many columns; the middle of a longer one is left out. */
function middle(text: string, columns: number): string {
  if (text.length <= columns) return text;
  const end = Math.floor((columns - 1) / 2);
  return `${text.slice(0, columns - 1 - end)}…${text.slice(text.length - end)}`;
}

interface Column {
  readonly name: string;
  readonly width: number;
  readonly sort?: StatusQuery["sort"];
  read(peer: PeerStatus): string;
}

const ADDRESS_COLUMNS = 24;

const COLUMNS: readonly Column[] = [
  { name: "IN", width: 10, sort: "traffic", read: (peer) => rate(peer.receivedBytesPerSecond) },
  { name: "OUT", width: 10, sort: "traffic", read: (peer) => rate(peer.sentBytesPerSecond) },
  { name: "TRIP", width: 8, sort: "round-trip", read: (peer) => ms(peer.roundTripMs) },
  { name: "LOSS", width: 7, sort: "loss", read: (peer) => percent(lossOf(peer)) },
  { name: "QUEUED", width: 9, sort: "queue", read: (peer) => bytes(peer.queuedBytes) },
];

/** What lines are made with. */
export interface Look {
  readonly query: StatusQuery;
  readonly terminal: Pick<Terminal, "style" | "columns">;
}

function headOf({ query: { sort }, terminal }: Look): string {
  const cells = COLUMNS.map(({ name, width, sort: of }) => {
    const cell = name.padStart(width);
    return of === sort ? terminal.style("bold", cell) : cell;
  });
  return `${"PEER".padStart(7)}  ${"ADDRESS".padEnd(ADDRESS_COLUMNS)}${cells.join("")}`;
}

function peerLine(peer: PeerStatus, { terminal }: Look): string {
  const address = middle(printable(peer.address), ADDRESS_COLUMNS).padEnd(ADDRESS_COLUMNS);
  const cells = COLUMNS.map(({ width, read }) => read(peer).padStart(width)).join("");
  const line = `${`${peer.id}`.padStart(7)}  ${address}${cells}`;
  return lossOf(peer) >= 0.05 ? terminal.style("red", line) : line;
}

function hostLines(host: HostStatus, look: Look): string[] {
  const { terminal } = look;
  const trip = host.roundTripMs;
  const closed = host.closed ? ", closed" : "";
  const name = terminal.style(["bold"], middle(printable(host.host), 48));
  const lines = [
    `${name}  ${host.peers} of ${host.peersMaximum} peers${closed}`,
    `  in ${rate(host.receivedBytesPerSecond)}, out ${rate(host.sentBytesPerSecond)}, ` +
    `queued ${bytes(host.queuedBytes)}, holds ${bytes(host.memoryBytes)}`,
    `  trip ${ms(trip?.p50 ?? null)}, 99 % below ${ms(trip?.p99 ?? null)}, ` +
    `loss ${percent(host.loss)}, refused ${host.refused}, half-open ${host.halfOpen}`,
  ];
  if (host.table.length > 0) {
    lines.push(headOf(look), ...host.table.map((peer) => peerLine(peer, look)));
  }
  const hidden = host.matching - host.table.length;
  if (hidden > 0) lines.push(terminal.style("dim", `  ${hidden} more peers`));
  return lines;
}

/** A sample of another source, on one line. */
export interface OtherSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The numbers that other sources tell; of a distribution, how many values it has. */
export function otherSamples(families: readonly MetricFamily[]): OtherSample[] {
  return families.flatMap(({ name, samples }) =>
    samples.map(({ labels = {}, value }) => ({
      name,
      labels,
      value: typeof value === "number" ? value : value.counts.reduce((sum, one) => sum + one, 0),
    }))
  );
}

function otherLines(families: readonly MetricFamily[], { terminal }: Look): string[] {
  const samples = otherSamples(families).filter(({ value }) => value !== 0);
  const lines = samples.slice(0, OTHERS).map(({ name, labels, value }) => {
    const told = Object.entries(labels).map(([key, text]) => `${key}=${text}`).join(", ");
    return `  ${middle(printable(told === "" ? name : `${name} ${told}`), 62).padEnd(62)} ${value}`;
  });
  const hidden = samples.length - lines.length;
  return lines.length === 0 ? [] : [
    terminal.style("bold", "Other sources"),
    ...lines,
    ...hidden > 0 ? [terminal.style("dim", `  ${hidden} more numbers`)] : [],
  ];
}

/** Everything about one look. */
export function lookLines({ hosts, metrics }: Status, look: Look): string[] {
  return [...hosts.flatMap((host) => hostLines(host, look)), ...otherLines(metrics, look)];
}
