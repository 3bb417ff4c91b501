/**
 * What the page and `enet top` show: each host with those of its peers that were asked for.
 *
 * @module
 */
import { PEER_STAT } from "../../ffi/layout.ts";
import type { Host } from "../host.ts";
import { hostAndPort } from "../internal/ip.ts";
import type { Peer } from "../peer.ts";
import type { MetricFamily } from "./family.ts";
import { maximumPeers, nameHosts, visitPeers } from "./host_families.ts";
import { NO_RATE, type Rate, RateMeter, rateOf, type Sample, type Totals } from "./rates.ts";
import type { Sources } from "./sources.ts";

/** What peers can be ordered by; the largest come first. */
export const SORTS = ["traffic", "round-trip", "loss", "queue"] as const;

/** An order of peers. */
export type Sort = typeof SORTS[number];

/** Which peers are told of. */
export interface StatusQuery {
  readonly sort: Sort;
  /** Only peers whose address contains this. Empty: all. */
  readonly filter: string;
  /** How many of each host. */
  readonly peers: number;
}

/** A peer. */
export interface PeerStatus extends Rate {
  readonly id: number;
  readonly address: string;
  readonly encrypted: boolean;
  /** Smoothed; null before the first. */
  readonly roundTripMs: number | null;
  readonly jitterMs: number;
  /** Share of reliable commands that were retransmitted, 0–1, of the last 5 to 10 s. */
  readonly loss: number;
  /** Share of unreliable messages that are missing, 0–1, of the last 5 to 10 s. */
  readonly incomingLoss: number;
  readonly queuedBytes: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** A host. */
export interface HostStatus extends Rate {
  /** Its address, and what tells it from others of that address. */
  readonly host: string;
  readonly closed: boolean;
  readonly peers: number;
  readonly peersMaximum: number;
  readonly halfOpen: number;
  /** The median of the peers and the 99th percentile; null without peers. */
  readonly roundTripMs: { readonly p50: number; readonly p99: number } | null;
  /** The mean of the peers. */
  readonly loss: number;
  /** The sum of the peers. */
  readonly queuedBytes: number;
  readonly memoryBytes: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Refused connections since the host was created. */
  readonly refused: number;
  readonly backPressure: number;
  /** How many peers match the filter. */
  readonly matching: number;
  /** The first of them, in order. */
  readonly table: readonly PeerStatus[];
}

/** Everything. */
export interface Status {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Whether peers may be disconnected. */
  readonly allowKick: boolean;
  readonly hosts: readonly HostStatus[];
  /** What other sources tell. */
  readonly metrics: readonly MetricFamily[];
}

/** What is read of each peer; the rest only of those that are told of. */
interface Row extends Totals {
  readonly peer: Peer;
  readonly roundTripMs: number;
  readonly jitterMs: number;
  readonly loss: number;
  readonly incomingLoss: number;
  readonly queuedBytes: number;
}

function readRows(host: Host): Row[] {
  const rows: Row[] = [];
  visitPeers(host, (peer, stats) =>
    void rows.push({
      peer,
      roundTripMs: stats[PEER_STAT.SMOOTHED_ROUND_TRIP],
      jitterMs: stats[PEER_STAT.JITTER],
      loss: stats[PEER_STAT.OUTGOING_LOSS],
      incomingLoss: stats[PEER_STAT.INCOMING_LOSS],
      queuedBytes: stats[PEER_STAT.QUEUED_BYTES],
      received: stats[PEER_STAT.RECEIVED_DATA],
      sent: stats[PEER_STAT.SENT_DATA],
    }));
  return rows;
}

/** Two digits behind the point are enough to show. */
const round = (value: number) => Math.round(value * 100) / 100;

const sum = (rows: readonly Row[], read: (row: Row) => number) =>
  rows.reduce((total, row) => total + read(row), 0);

function percentiles(rows: readonly Row[]): HostStatus["roundTripMs"] {
  const known = rows.map(({ roundTripMs }) => roundTripMs).filter((ms) => ms > 0);
  if (known.length === 0) return null;
  const sorted = Float64Array.from(known).sort();
  const at = (share: number) => round(sorted[Math.ceil(sorted.length * share) - 1]);
  return { p50: at(0.5), p99: at(0.99) };
}

/** What a row is ordered by, for each order. */
const KEYS: Readonly<Record<Sort, (row: Row, since: Sample | undefined) => number>> = {
  traffic: ({ peer, received, sent }, since) => {
    const before = since?.peers.get(peer.id);
    return received + sent - (before === undefined ? 0 : before.received + before.sent);
  },
  "round-trip": ({ roundTripMs }) => roundTripMs,
  loss: ({ loss, incomingLoss }) => Math.max(loss, incomingLoss),
  queue: ({ queuedBytes }) => queuedBytes,
};

function sorted(rows: readonly Row[], sort: Sort, since: Sample | undefined): Row[] {
  return rows.map((row) => ({ row, key: KEYS[sort](row, since) }))
    .sort((a, b) => b.key - a.key || a.row.peer.id - b.row.peer.id)
    .map(({ row }) => row);
}

function peerStatus(row: Row, rate: Rate): PeerStatus {
  const { peer, roundTripMs, received, sent } = row;
  return {
    id: peer.id,
    address: hostAndPort(peer.address),
    encrypted: peer.encrypted,
    roundTripMs: roundTripMs > 0 ? round(roundTripMs) : null,
    jitterMs: round(row.jitterMs),
    loss: row.loss,
    incomingLoss: row.incomingLoss,
    queuedBytes: row.queuedBytes,
    ...rate,
    receivedBytes: received,
    sentBytes: sent,
  };
}

/** Reads the state of some hosts. Remembers what rates need. */
export class StatusReader {
  readonly #sources: Sources;
  readonly #allowKick: boolean;
  readonly #meters = new WeakMap<Host, RateMeter>();

  constructor(sources: Sources, allowKick: boolean) {
    this.#sources = sources;
    this.#allowKick = allowKick;
  }

  /** The state now. */
  read(query: StatusQuery): Status {
    return {
      time: Date.now(),
      allowKick: this.#allowKick,
      hosts: nameHosts(this.#sources.hosts).map(({ name, host }) => this.#host(name, host, query)),
      metrics: this.#sources.others(),
    };
  }

  /**
   * Disconnects a peer.
   *
   * @returns whether there is such a peer
   */
  kick(name: string, id: number): boolean {
    const { host } = nameHosts(this.#sources.hosts).find((named) => named.name === name) ?? {};
    const peer = host?.peers.find((peer) => peer.id === id);
    if (peer === undefined) return false;
    void peer.disconnect();
    return true;
  }

  #meterOf(host: Host): RateMeter {
    const known = this.#meters.get(host);
    if (known !== undefined) return known;
    const meter = new RateMeter();
    this.#meters.set(host, meter);
    return meter;
  }

  #host(name: string, host: Host, { sort, filter, peers }: StatusQuery): HostStatus {
    const { stats } = host;
    const rows = readRows(host);
    const totals = { received: stats.totalReceivedData, sent: stats.totalSentData };
    const sample = {
      at: performance.now(),
      host: totals,
      peers: new Map(rows.map(({ peer: { id }, received, sent }) => [id, { received, sent }])),
    };
    const since = this.#meterOf(host).note(sample);
    const rate = (now: Totals, before: Totals | undefined) =>
      since === undefined ? NO_RATE : rateOf(now, before, sample.at - since.at);
    const matching = filter === ""
      ? rows
      : rows.filter(({ peer }) => hostAndPort(peer.address).includes(filter));
    return {
      host: name,
      closed: host.closed,
      peers: stats.connectedPeers,
      peersMaximum: maximumPeers(host),
      halfOpen: stats.halfOpen,
      roundTripMs: percentiles(rows),
      loss: rows.length === 0 ? 0 : sum(rows, ({ loss }) => loss) / rows.length,
      queuedBytes: sum(rows, ({ queuedBytes }) => queuedBytes),
      memoryBytes: stats.hostData,
      ...rate(totals, since?.host),
      receivedBytes: totals.received,
      sentBytes: totals.sent,
      refused: Object.values(stats.refused).reduce((total, count) => total + count, 0),
      backPressure: stats.backPressure,
      matching: matching.length,
      table: sorted(matching, sort, since).slice(0, peers)
        .map((row) => peerStatus(row, rate(row, since?.peers.get(row.peer.id)))),
    };
  }
}
