/**
 * What is behind `Rooms`: the host's peers in their rooms, the replica of all members, and the link between.
 *
 * @module
 */
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { toHex } from "../internal/hex.ts";
import type { Endpoint } from "../internal/endpoint.ts";
import { type Host, hosts } from "../host.ts";
import type { Peer } from "../peer.ts";
import { Drops } from "./drops.ts";
import { EventQueue, type RoomsHandlers } from "./event_queue.ts";
import { decodeMessage, encodePresenceFrame, FRAME, typeOf } from "./frame.ts";
import { Link } from "./link.ts";
import { LocalRooms } from "./local_rooms.ts";
import { Mail } from "./mail.ts";
import { EVERY_HOST, topicOf } from "./names.ts";
import { planRooms, type RoomsPlan, smallestMessage } from "./options.ts";
import { decodePresence, encodePresence, type PresenceMessage } from "./presence_message.ts";
import { Replica } from "./replica.ts";
import { withTimeout } from "./timeout.ts";

/** Changes of members are told together, so many milliseconds after the first one. */
const GATHER_MS = 10;

/** Milliseconds that closing waits for leases to be released. */
const CLOSE_MS = 1000;

/** Ticks in each `heartbeatMs`. */
const TICKS = 5;

/** The parts of one `Rooms`. */
export class Cluster {
  readonly id: string = toHex(crypto.getRandomValues(new Uint8Array(8)));
  readonly endpoint: Endpoint;
  readonly plan: RoomsPlan;
  readonly link: Link = new Link();
  readonly local: LocalRooms;
  readonly replica: Replica;
  readonly events: EventQueue;
  readonly drops: Drops;
  readonly mail: Mail;
  /** Frames that were damaged, too large, or of another version. */
  refused = 0;
  /** Resolves when this host is part of the cluster. */
  readonly ready: Promise<void>;
  readonly #topic: string;
  readonly #closers = new Set<() => Promise<void>>();
  readonly #hostCloses = () => void this.close();
  #ticker: ReturnType<typeof setInterval> | undefined;
  #gatherer: ReturnType<typeof setTimeout> | undefined;
  #closing: Promise<void> | undefined;

  constructor(host: Host, options: unknown, handlers: RoomsHandlers) {
    this.endpoint = hosts.endpointOf(host);
    this.plan = planRooms(options);
    this.events = new EventQueue(handlers);
    this.#topic = topicOf("host", this.id);
    this.drops = new Drops((event) => this.events.push(event));
    this.local = new LocalRooms(this.endpoint, this.link, (peer, room) => {
      this.replica.remove(room, peer.id, "disconnect");
      this.gather();
    });
    this.mail = new Mail(this);
    const { address, times } = this.plan;
    const self = { id: this.id, address, here: true };
    this.replica = new Replica(self, times, {
      publish: (message) => this.#publish(EVERY_HOST, message),
      tell: (to, message) => this.#publish(topicOf("host", to), message),
      event: (event) => this.events.push(event),
    }, performance.now());
    this.endpoint.closers.add(this.#hostCloses);
    this.ready = this.#connect();
  }

  /** Whether `close` has been called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Calls a function when the rooms are closed, and waits for it. @returns what takes it back */
  onClose(call: () => Promise<void>): () => void {
    this.#closers.add(call);
    return () => this.#closers.delete(call);
  }

  async #connect(): Promise<void> {
    const { backplane, history: log, leases: store } = this.plan;
    this.link.subscribe(EVERY_HOST);
    this.link.subscribe(this.#topic);
    const handlers = {
      message: (topic: string, bytes: Uint8Array) => this.#message(topic, bytes),
      entry: this.mail.entry,
      status: (up: boolean, error?: Error) => this.#status(up, error),
    };
    const needs = { log, store };
    const smallest = smallestMessage(this.plan);
    try {
      if (!await this.link.connect(backplane, this.id, handlers, needs, smallest)) return;
    } catch (error) {
      if (this.closed) return;
      throw error;
    }
    this.replica.up(performance.now());
    this.gather();
    this.#ticker = setInterval(() => this.#tick(), this.plan.times.heartbeatMs / TICKS);
    this.#ticker.unref(); // the host keeps the process alive
  }

  #tick(): void {
    const now = performance.now();
    this.replica.tick(now);
    this.drops.tick(now);
  }

  /** Something about the members of this host has changed. */
  gather(): void {
    this.#gatherer ??= setTimeout(async () => {
      // Who sees a member of this host can also send to it.
      await this.link.subscribed;
      this.#gatherer = undefined;
      if (!this.closed && this.link.up) this.replica.flush();
    }, GATHER_MS);
  }

  #publish(topic: string, message: PresenceMessage): void {
    // What is lost is noticed by the version in the next heartbeat.
    this.link.publish(topic, encodePresenceFrame(encodePresence(message)));
  }

  #status(up: boolean, error: Error | undefined): void {
    const now = performance.now();
    if (up) {
      this.replica.up(now);
      this.mail.catchUp();
      this.gather();
    } else {
      this.replica.down(now);
    }
    this.events.push({ type: "link", up, error });
  }

  #message(topic: string, bytes: Uint8Array): void {
    if (this.closed) return;
    const type = typeOf(bytes);
    if (topic !== EVERY_HOST && topic !== this.#topic) return this.mail.message(topic, type, bytes);
    if (type === FRAME.SEVERAL) return this.mail.several(bytes);
    const message = type === FRAME.PRESENCE ? decodePresence(decodeMessage(bytes).data) : undefined;
    if (message === undefined) this.refused++;
    else this.replica.receive(message, performance.now());
  }

  /** Leaves the cluster. The peers stay connected. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.endpoint.closers.delete(this.#hostCloses);
    clearInterval(this.#ticker);
    clearTimeout(this.#gatherer);
    const closers = Array.from(this.#closers, (call) => call());
    this.replica.close();
    this.local.clear();
    await withTimeout(Promise.all(closers), CLOSE_MS);
    await this.link.close();
    this.events.end();
  }

  /** Takes a peer's presence over into the replica. */
  show(peer: Peer, room: string, presence: unknown): void {
    this.replica.set(room, peer, this.local.userOf(peer), presence);
    this.gather();
  }
}
