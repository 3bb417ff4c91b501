/**
 * What hosts tell as metrics. Everything is read when it is asked for; between that, nothing is counted for it.
 *
 * @module
 */
import { PEER_STAT } from "../../ffi/layout.ts";
import { type Host, hosts as insideHosts } from "../host.ts";
import type { HostStats } from "../host_stats.ts";
import { hostAndPort } from "../internal/ip.ts";
import { type Peer, peers as insidePeers } from "../peer.ts";
import { Histogram, type MetricFamily, type MetricSample } from "./family.ts";

/** A host with the name that tells it from the others of the process. */
export interface NamedHost {
  /** Its address; with `#2` behind it where another host has the same, as hosts have that only connect. */
  readonly name: string;
  readonly host: Host;
}

/** Names hosts by their addresses. */
export function nameHosts(hosts: readonly Host[]): NamedHost[] {
  const count = new Map<string, number>();
  return hosts.map((host) => {
    const address = hostAndPort(host.address);
    const number = (count.get(address) ?? 0) + 1;
    count.set(address, number);
    return { name: number === 1 ? address : `${address}#${number}`, host };
  });
}

/** How many peers a host takes. */
export function maximumPeers(host: Host): number {
  return insideHosts.endpointOf(host).settings.peers;
}

/** Gives out the values of `PEER_STAT` of each connected peer. They hold until the next peer. */
export function visitPeers(host: Host, visit: (peer: Peer, stats: Float64Array) => void): void {
  for (const peer of host.peers) {
    const connection = insidePeers.connectionOf(peer);
    const stats = connection.transport.stats(connection);
    if (stats !== undefined) visit(peer, stats);
  }
}

/** A number of a host, or several with a label. */
interface HostRow {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** The name of the label, with several numbers. */
  readonly label?: string;
  read(stats: HostStats, host: Host): number | Readonly<Record<string, number>>;
}

const counter = (name: string, help: string, read: HostRow["read"], label?: string): HostRow => ({
  ...{ name, type: "counter", help, label, read },
});
const gauge = (name: string, help: string, read: HostRow["read"]): HostRow => ({
  ...{ name, type: "gauge", help, read },
});

/** All of them; the names without `enet_host_`. */
const ROWS: readonly HostRow[] = [
  gauge("peers", "Connected peers", (stats) => stats.connectedPeers),
  gauge("peers_maximum", "Peers that the host takes", (_, host) => maximumPeers(host)),
  gauge("half_open", "Connections that wait for the client", (stats) => stats.halfOpen),
  counter("received_bytes", "Bytes of received datagrams", (stats) => stats.totalReceivedData),
  counter("received_datagrams", "Received datagrams", (stats) => stats.totalReceivedPackets),
  counter("sent_bytes", "Bytes of sent datagrams", (stats) => stats.totalSentData),
  counter("sent_datagrams", "Sent datagrams", (stats) => stats.totalSentPackets),
  gauge("memory_bytes", "Bytes that count towards maximumHostData", (stats) => stats.hostData),
  gauge("held_events", "Events that wait in native memory", (stats) => stats.heldEvents),
  counter("back_pressure", "Times that the event ring was full", (stats) => stats.backPressure),
  counter("wake_ups", "Times that the pump woke JavaScript", (stats) => stats.wakeUps),
  counter(
    "pump_services",
    "Times that the pump serviced the protocol because JavaScript was busy",
    (stats) => stats.pumpServices,
  ),
  counter("refused", "Refused connections", (stats) => ({ ...stats.refused }), "cause"),
  counter(
    "bad_handshakes",
    "Datagrams with a wrong number of a half-open connection",
    (stats) => stats.badHandshakes,
  ),
  counter("filtered_datagrams", "Datagrams dropped by the filter", (stats) => stats.filtered),
  counter("raw_datagrams", "Reported datagrams that are not ENet's", (stats) => stats.datagrams),
  counter("socket_errors", "Errors about single datagrams", (stats) => stats.socketErrors),
  counter(
    "over_budget_datagrams",
    "Datagrams that a memory or work limit dropped, at least in part",
    (stats) => stats.overBudget,
  ),
  counter(
    "limited",
    "Connects, datagrams, messages and peers that limits refused or ended",
    (stats) => ({
      connects: stats.limitedConnects,
      datagrams: stats.limitedDatagrams,
      messages: stats.limitedMessages,
      peers: stats.limitedPeers,
    }),
    "what",
  ),
  counter(
    "limited_bytes",
    "Bytes that limits refused",
    (stats) => ({ datagrams: stats.limitedBytes, messages: stats.limitedMessageBytes }),
    "what",
  ),
  gauge("sessions", "Encrypted sessions", ({ security }) => security.sessions),
  gauge("plain_peers", "Connected peers without encryption", ({ security }) => security.plainPeers),
  counter("handshakes", "Opened encrypted sessions", ({ security }) => security.handshakes),
  counter("moves", "Sessions that moved to another address", ({ security }) => security.moved),
  counter(
    "insecure_datagrams",
    "Datagrams that encryption refused",
    (
      { security: { unauthentic, limited, malformed, unknown, forged, replayed, plainRefused } },
    ) => ({
      ...{ unauthentic, limited, malformed, unknown, forged, replayed, plain: plainRefused },
    }),
    "cause",
  ),
  counter(
    "refused_tokens",
    "Connect tokens that were not accepted",
    ({ security }) => ({ ...security.tokens }),
    "cause",
  ),
];

function samplesOf({ label, read }: HostRow, { name, host }: NamedHost, stats: HostStats) {
  const value = read(stats, host);
  if (typeof value === "number") return [{ labels: { host: name }, value }];
  return Object.entries(value).map(([key, value]) => ({
    labels: { host: name, [label!]: key },
    value,
  }));
}

/** A number of a peer: in a gauge histogram over all peers of a host, and for each peer. */
interface PeerRow {
  /** Without `enet_host_peer_` and `enet_peer_`. */
  readonly name: string;
  readonly help: string;
  /** The bounds of its classes; without them there is no histogram. */
  readonly bounds?: readonly number[];
  readonly type: "gauge" | "counter";
  /** `undefined` where nothing is known. */
  read(stats: Float64Array): number | undefined;
}

const KIB = 1024;

/** The smoothed round trip in milliseconds, or ENet's where there is no other; undefined before the first. */
const roundTrip = (stats: Float64Array) =>
  stats[PEER_STAT.SMOOTHED_ROUND_TRIP] > 0
    ? stats[PEER_STAT.SMOOTHED_ROUND_TRIP] / 1000
    : undefined;

const stat = (index: number, scale = 1) => (stats: Float64Array) => stats[index] / scale;

const PEER_ROWS: readonly PeerRow[] = [
  {
    name: "round_trip_seconds",
    help: "Smoothed round trip",
    type: "gauge",
    bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    read: roundTrip,
  },
  {
    name: "queue_bytes",
    help: "Sent bytes that are queued or not yet acknowledged",
    type: "gauge",
    bounds: [0, ...[1, 4, 16, 64, 256, 1024, 4096, 16_384].map((size) => size * KIB)],
    read: stat(PEER_STAT.QUEUED_BYTES),
  },
  {
    name: "loss_ratio",
    help: "Share of the reliable commands that were retransmitted, of the last 5 to 10 s",
    type: "gauge",
    bounds: [0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
    read: stat(PEER_STAT.OUTGOING_LOSS),
  },
  {
    name: "jitter_seconds",
    help: "Mean deviation of round trips",
    type: "gauge",
    read: stat(PEER_STAT.JITTER, 1000),
  },
  {
    name: "received_bytes",
    help: "Bytes of received datagrams",
    type: "counter",
    read: stat(PEER_STAT.RECEIVED_DATA),
  },
  {
    name: "sent_bytes",
    help: "Bytes of sent datagrams",
    type: "counter",
    read: stat(PEER_STAT.SENT_DATA),
  },
  {
    name: "retransmitted_commands",
    help: "Reliable commands that were retransmitted",
    type: "counter",
    read: stat(PEER_STAT.RETRANSMITTED),
  },
];

/** The samples of the peers of all hosts. */
class PeerSamples {
  readonly #each: boolean;
  readonly #histograms: MetricSample[][] = PEER_ROWS.map(() => []);
  readonly #peers: MetricSample[][] = PEER_ROWS.map(() => []);

  /** @param each whether each peer has samples of its own */
  constructor(each: boolean) {
    this.#each = each;
  }

  add({ name, host }: NamedHost): void {
    const histograms = PEER_ROWS.map(({ bounds }) => bounds && new Histogram(bounds));
    visitPeers(host, (peer, stats) => {
      const labels = this.#each
        ? { host: name, peer: `${peer.id}`, address: hostAndPort(peer.address) }
        : undefined;
      for (const [index, { read }] of PEER_ROWS.entries()) {
        const value = read(stats);
        if (value === undefined) continue;
        histograms[index]?.add(value);
        if (labels !== undefined) this.#peers[index].push({ labels, value });
      }
    });
    for (const [index, value] of histograms.entries()) {
      if (value !== undefined) this.#histograms[index].push({ labels: { host: name }, value });
    }
  }

  families(): MetricFamily[] {
    const histograms = PEER_ROWS.flatMap(({ name, help, bounds }, index): MetricFamily[] =>
      bounds === undefined ? [] : [{
        name: `enet_host_peer_${name}`,
        type: "gaugehistogram",
        help: `${help}, of the peers`,
        samples: this.#histograms[index],
      }]
    );
    if (!this.#each) return histograms;
    const peers = PEER_ROWS.map(({ name, help, type }, index) => ({
      ...{ name: `enet_peer_${name}`, type, help, samples: this.#peers[index] },
    }));
    return [...histograms, ...peers];
  }
}

/**
 * What hosts tell.
 *
 * @param each whether each peer has samples of its own
 */
export function hostFamilies(hosts: readonly Host[], each: boolean): MetricFamily[] {
  if (hosts.length === 0) return [];
  const named = nameHosts(hosts).map((named) => ({ named, stats: named.host.stats }));
  const peers = new PeerSamples(each);
  for (const { named: one } of named) peers.add(one);
  const families = ROWS.map((row): MetricFamily => ({
    name: `enet_host_${row.name}`,
    type: row.type,
    help: row.help,
    samples: named.flatMap(({ named, stats }) => samplesOf(row, named, stats)),
  }));
  return [...families, ...peers.families()];
}
