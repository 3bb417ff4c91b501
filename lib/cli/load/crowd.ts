/**
 * The peers of a load: they connect one after another, spread over hosts, and each has a player.
 *
 * @module
 */
import { Host } from "../../host.ts";
import type { HostHandlers } from "../../events.ts";
import type { Data, Packet } from "../../packet.ts";
import type { PacketFlag } from "../../packet_flag.ts";
import type { Peer } from "../../peer.ts";
import type { Route } from "../net/connecting.ts";
import { explain, faultOf } from "../net/faults.ts";
import { pause } from "../net/pause.ts";
import type { LoadPeer, Player } from "./player.ts";
import { add, type Tally, type Traffic } from "./tally.ts";

/** Peers of a host. Each host has a socket, so that the system spreads datagrams over their buffers. */
const PEERS_OF_HOST = 256;

/** How a crowd behaves. */
export interface CrowdOptions {
  readonly route: Route;
  readonly peers: number;
  /** Messages a second of each peer. */
  readonly rate: number;
  readonly size: number;
  /** Milliseconds until the last one begins to connect. */
  readonly rampMs: number;
  readonly player: Player;
  /** Called with what is at fault when the first attempt fails. */
  readonly onFailure: (message: string) => void;
}

/** A connection with its player. */
class Member implements LoadPeer {
  readonly index: number;
  readonly peer: Peer;
  readonly rate: number;
  readonly size: number;
  readonly signal: AbortSignal;
  receive: (channelId: number, packet: Packet) => void = () => {};
  readonly #tally: Tally;
  readonly #own = new AbortController();
  #due = performance.now();

  constructor(
    index: number,
    peer: Peer,
    { rate, size }: CrowdOptions,
    tally: Tally,
    signal: AbortSignal,
  ) {
    this.index = index;
    this.peer = peer;
    this.rate = rate;
    this.size = size;
    this.#tally = tally;
    this.signal = AbortSignal.any([signal, this.#own.signal]);
    // Peers that connected together do not send together.
    this.#due += Math.random() * 1000 / rate;
  }

  send(channelId: number, data: Data, flags?: PacketFlag): boolean {
    this.#tally.sent++;
    return this.peer.send(channelId, data, flags);
  }

  async tick(): Promise<boolean> {
    const now = performance.now();
    // A player that is late does not send what it has missed.
    if (this.#due < now - 1000) this.#due = now;
    const goesOn = await pause(Math.max(0, this.#due - now), this.signal);
    if (goesOn) this.#tally.lateness.record(Math.max(0, performance.now() - this.#due));
    this.#due += 1000 / this.rate;
    return goesOn;
  }

  count(name: string, by = 1): void {
    add(this.#tally.counters, name, by);
  }

  measure(roundTripMs: number): void {
    this.#tally.measure(roundTripMs);
  }

  /** Tells the player that the connection has ended. */
  end(): void {
    this.#own.abort();
  }
}

/** The text of what a script has thrown. */
const messageOf = (error: unknown) => error instanceof Error ? error.message : String(error);

/** All peers of a load. */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #tally: Tally;
  readonly #signal: AbortSignal;
  readonly #hosts: Host<Member | undefined>[] = [];
  readonly #handlers: HostHandlers<Member | undefined>;

  constructor(options: CrowdOptions, tally: Tally, signal: AbortSignal) {
    this.#options = options;
    this.#tally = tally;
    this.#signal = signal;
    this.#handlers = {
      receive: ({ data: member }, channelId, packet) => {
        tally.received++;
        try {
          member?.receive(channelId, packet);
        } catch (error) {
          add(tally.errors, messageOf(error));
        }
      },
      disconnect: ({ data: member }, reason) => {
        if (member === undefined) return;
        tally.present--;
        if (!signal.aborted && reason !== "local") add(tally.ends, reason);
        member.end();
      },
    };
  }

  /** Has all of them connect and play, until the signal aborts or all have ended. */
  async run(): Promise<void> {
    const { peers, rampMs, route } = this.#options;
    try {
      for (let i = 0; i < peers; i += PEERS_OF_HOST) {
        const count = Math.min(PEERS_OF_HOST, peers - i);
        this.#hosts.push(await Host.create({ ...route.host, peers: count }, this.#handlers));
      }
      const players = Array.from({ length: peers }, async (_, index) => {
        if (!await pause(index * rampMs / peers, this.#signal)) return;
        await this.#play(index, this.#hosts[Math.floor(index / PEERS_OF_HOST)]);
      });
      await Promise.all(players);
    } finally {
      await Promise.all(this.#hosts.map((host) => host.close()));
    }
  }

  /** What ENet knows of the connections: mean round trip and loss. */
  quality(): { roundTripMs: number; loss: number } {
    let [count, roundTripMs, loss] = [0, 0, 0];
    for (const peer of this.#hosts.flatMap((host) => host.closed ? [] : host.peers)) {
      const { smoothedRoundTripMs, outgoingLoss } = peer.stats;
      count++;
      roundTripMs += smoothedRoundTripMs;
      loss += outgoingLoss;
    }
    return count === 0
      ? { roundTripMs: 0, loss: 0 }
      : { roundTripMs: roundTripMs / count, loss: loss / count };
  }

  /** Bytes of datagrams of all hosts. */
  traffic(): Traffic {
    let [out, incoming] = [0, 0];
    for (const { stats } of this.#hosts) {
      out += stats.totalSentData;
      incoming += stats.totalReceivedData;
    }
    return { out, in: incoming };
  }

  async #play(index: number, host: Host<Member | undefined>): Promise<void> {
    const tally = this.#tally;
    const peer = await this.#connect(host);
    if (peer === undefined) return;
    const member = new Member(index, peer as Peer, this.#options, tally, this.#signal);
    peer.data = member;
    tally.present++;
    try {
      await this.#options.player(member);
    } catch (error) {
      if (!member.signal.aborted) add(tally.errors, messageOf(error));
    }
    await peer.disconnectLater();
  }

  /** @returns undefined when it has failed */
  async #connect(host: Host<Member | undefined>): Promise<Peer<Member | undefined> | undefined> {
    const { address, connect } = this.#options.route;
    const tally = this.#tally;
    tally.begun++;
    const start = performance.now();
    try {
      const peer = await host.connect(address, { ...connect, signal: this.#signal });
      tally.connectTimes.record(performance.now() - start);
      tally.connected++;
      return peer;
    } catch (error) {
      if (this.#signal.aborted) return undefined;
      if (tally.failures.size === 0) await this.#report(error);
      add(tally.failures, faultOf(error));
      return undefined;
    }
  }

  /** Says why the first one has failed: what is found holds for the others, too. */
  async #report(error: unknown): Promise<void> {
    const { address, connect } = this.#options.route;
    const explained = await explain(error, address, connect);
    this.#options.onFailure(messageOf(explained));
  }
}
