/**
 * Replicas of several hosts on a simulated network, whose messages are delayed, lost and cut off by partitions, with a
 * clock of its own. The same seed gives the same run.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { RoomsEvent } from "../../../lib/rooms/member.ts";
import {
  decodePresence,
  encodePresence,
  type PresenceMessage,
} from "../../../lib/rooms/presence_message.ts";
import { Replica } from "../../../lib/rooms/replica.ts";
import { randomOf } from "../../_relay.ts";

export const TIMES = { heartbeatMs: 500, hostTimeoutMs: 2000, linkTimeoutMs: 15_000 };

const TICK_MS = 100;
const HOSTS = 4;
const PEERS = 3;
const ROOMS = ["a", "b", "c"];

/** A message under way. */
interface Transit {
  readonly at: number;
  readonly from: SimulatedHost;
  readonly to: SimulatedHost;
  readonly bytes: Uint8Array;
}

/** A host that can be stopped, killed and cut off. */
class SimulatedHost {
  readonly id: string;
  readonly replica: Replica;
  /** `room member` to how often it has joined more than left; 0 or 1. */
  readonly seen = new Map<string, number>();
  /** What this host's program has done: `room peer` to the presence. */
  readonly truth = new Map<string, number>();
  /** Messages that wait while it is stopped. */
  readonly waiting: Uint8Array[] = [];
  stopped = false;
  dead = false;
  /** Hosts with the same number hear each other. */
  side = 0;
  linked = true;
  lefts = 0;

  constructor(id: string, simulation: Simulation) {
    this.id = id;
    this.replica = new Replica({ id, address: undefined, here: true }, TIMES, {
      publish: (message) => simulation.send(this, undefined, message),
      tell: (to, message) => simulation.send(this, to, message),
      event: (event) => this.#event(event),
    }, simulation.now);
  }

  #event(event: RoomsEvent): void {
    if (event.type !== "joined" && event.type !== "left") return;
    const key = `${event.room} ${event.member.id}`;
    const count = (this.seen.get(key) ?? 0) + (event.type === "joined" ? 1 : -1);
    assert.ok(count === 0 || count === 1, `${this.id}: ${event.type} of ${key} out of turn`);
    this.seen.set(key, count);
    this.lefts += Number(event.type === "left");
  }

  /** `room member presence` of all members that it sees. */
  view(): string[] {
    const { replica } = this;
    return [...replica.rooms].flatMap((room) =>
      [...replica.members(room) ?? []].map(([id, { presence }]) => `${room} ${id} ${presence}`)
    ).sort();
  }
}

/** A run. */
export class Simulation {
  now = 1000;
  readonly hosts: SimulatedHost[] = [];
  readonly random: () => number;
  /** The part of messages that is lost. */
  loss = 0;
  /** How often a host has asked another for all of its members. */
  asks = 0;
  #transits: Transit[] = [];
  #made = 0;

  constructor(seed: number) {
    this.random = randomOf(seed);
    for (let i = 0; i < HOSTS; i++) this.start();
  }

  /** A number below a limit. */
  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  start(): SimulatedHost {
    const host = new SimulatedHost((++this.#made).toString(16).padStart(16, "0"), this);
    this.hosts.push(host);
    host.replica.up(this.now);
    return host;
  }

  send(from: SimulatedHost, to: string | undefined, message: PresenceMessage): void {
    this.asks += Number(message.type === "ask");
    if (!from.linked) return;
    const bytes = encodePresence(message);
    for (const host of this.hosts) {
      if (host === from || (to !== undefined && host.id !== to)) continue;
      if (host.side !== from.side || this.random() < this.loss) continue;
      this.#transits.push({ at: this.now + 1 + this.below(20), from, to: host, bytes });
    }
  }

  /** Lets time pass. */
  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += 10;
      const due = this.#transits.filter(({ at }) => at <= this.now).sort((a, b) => a.at - b.at);
      this.#transits = this.#transits.filter(({ at }) => at > this.now);
      for (const { to, bytes } of due) {
        if (to.dead || !to.linked) continue;
        if (to.stopped) to.waiting.push(bytes);
        else this.#receive(to, bytes);
      }
      for (const host of this.hosts) {
        if (host.stopped || host.dead) continue;
        host.replica.flush();
        if (this.now % TICK_MS === 0) host.replica.tick(this.now);
      }
    }
  }

  #receive(host: SimulatedHost, bytes: Uint8Array): void {
    const message = decodePresence(bytes);
    assert.ok(message !== undefined, new TextDecoder().decode(bytes));
    host.replica.receive(message, this.now);
  }

  /** A stopped host goes on: its timers come first, then what has waited. */
  continue(host: SimulatedHost): void {
    host.stopped = false;
    host.replica.tick(this.now);
    for (const bytes of host.waiting.splice(0)) this.#receive(host, bytes);
  }

  /** Something happens to some host. */
  step(): string {
    const host = this.hosts[this.below(this.hosts.length)];
    const what = this.below(20);
    if (what < 12) return this.#change(host);
    if (what === 12 && !host.dead) {
      host.dead = true;
      return `kill ${host.id}`;
    }
    if (what === 13 && this.hosts.filter(({ dead }) => !dead).length < HOSTS + 2) {
      return `start ${this.start().id}`;
    }
    if (what === 14) {
      host.side = this.below(2);
      return `partition ${host.id}`;
    }
    if (what === 15 && !host.dead && !host.stopped) {
      host.linked = !host.linked;
      host.linked ? host.replica.up(this.now) : host.replica.down(this.now);
      return `link ${host.id} ${host.linked}`;
    }
    if (what === 16 && !host.dead) {
      if (host.stopped) this.continue(host);
      else host.stopped = true;
      return `stop ${host.id} ${host.stopped}`;
    }
    if (what === 17) this.loss = this.random() < 0.5 ? 0 : 0.3;
    this.pass(this.below(3000));
    return `pass, loss ${this.loss}`;
  }

  #change(host: SimulatedHost): string {
    if (host.dead || host.stopped) return "nothing";
    const peer = 1 + this.below(PEERS);
    const room = ROOMS[this.below(ROOMS.length)];
    const key = `${room} ${host.id}-${peer}`;
    if (this.below(3) === 0) {
      host.truth.delete(key);
      host.replica.remove(room, peer, "leave");
      return `leave ${key}`;
    }
    const presence = this.below(100);
    host.truth.set(key, presence);
    host.replica.set(room, { id: peer } as never, undefined, presence);
    return `set ${key}`;
  }

  /** All faults end. */
  heal(): void {
    this.loss = 0;
    for (const host of this.hosts) {
      host.side = 0;
      if (host.dead) continue;
      if (host.stopped) this.continue(host);
      if (!host.linked) {
        host.linked = true;
        host.replica.up(this.now);
      }
    }
  }

  /** What everybody should see. */
  truth(): string[] {
    const living = this.hosts.filter(({ dead }) => !dead);
    return living.flatMap(({ truth }) => [...truth].map((entry) => entry.join(" "))).sort();
  }
}
