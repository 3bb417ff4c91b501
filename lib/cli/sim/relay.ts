/**
 * A UDP relay between clients and a server. Each client has a socket of its own towards the server, so that the server
 * can tell them apart, and a link of its own.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { setTimeout } from "node:timers";
import type { Native } from "../../../ffi/symbols.ts";
import type { DatagramFates } from "../../active_conditions.ts";
import type { Address } from "../../address.ts";
import { hostAndPort } from "../../internal/ip.ts";
import { systemError } from "../../internal/system_error.ts";
import { type Direction, DIRECTIONS, Link } from "./link.ts";

/** Counters of a direction. */
export type Counters = Record<keyof DatagramFates | "bytes", number>;

/** What a relay tells. */
export interface RelayEvents {
  /** A client has appeared. @param port from which the relay sends to the server for it */
  client(address: string, port: number): void;
  /** A client has been quiet for too long. */
  left(address: string): void;
}

/** How to relay. */
export interface RelayPlan {
  /** Where clients send to; an IP address. */
  readonly listen: Address;
  /** The server; an IP address. */
  readonly to: Address;
  /** The link of each client, as `planLink` has made it. */
  readonly link: Uint8Array;
  readonly seed: number;
  readonly maximumClients: number;
  readonly idleMs: number;
}

const newCounters = (): Counters => ({
  passed: 0,
  lost: 0,
  blackedOut: 0,
  queueFull: 0,
  memoryFull: 0,
  duplicated: 0,
  reordered: 0,
  corrupted: 0,
  held: 0,
  bytes: 0,
});

function addTo(counters: Counters, fates: DatagramFates): void {
  for (const [name, value] of Object.entries(fates)) counters[name as keyof Counters] += value;
}

const familyOf = (hostname: string) => isIPv6(hostname) ? "udp6" as const : "udp4" as const;

/** Opens a socket. Errors that come later are those of single datagrams, which UDP may lose. */
function open({ hostname, port }: Address): Promise<Socket> {
  const socket = createSocket(familyOf(hostname));
  return new Promise((resolve, reject) => {
    socket.once("error", (error) => {
      reject(systemError(error, `Listening on ${hostAndPort({ hostname, port })}`));
    });
    socket.bind(port, hostname, () => {
      socket.removeAllListeners("error").on("error", () => {});
      resolve(socket);
    });
  });
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.close(() => resolve()));

/** A client of the relay. */
class Client implements AsyncDisposable {
  lastMs = performance.now();
  readonly link: Link;
  /** Gets what passes in each direction. */
  readonly #send: readonly ((data: Uint8Array) => void)[];
  /** Undefined until it is open, and where it could not be opened; the link then loses what it is given. */
  upstream: Socket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Infinity;
  #isOver = false;

  constructor(link: Link, send: readonly ((data: Uint8Array) => void)[]) {
    this.link = link;
    this.#send = send;
  }

  /** A datagram comes. */
  enter(direction: Direction, data: Uint8Array): void {
    if (this.#isOver) return;
    this.link.enter(direction, data);
    this.#deliver();
  }

  /** Sends what is due, and sets a timer for what is not. */
  #deliver(): void {
    for (const direction of DIRECTIONS) {
      for (let data; (data = this.link.take(direction)) !== undefined;) this.#send[direction](data);
    }
    const { waitMs } = this.link;
    const dueMs = waitMs === undefined ? Infinity : performance.now() + waitMs;
    if (dueMs >= this.#dueMs || waitMs === undefined) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#dueMs = Infinity;
      if (!this.#isOver) this.#deliver();
    }, waitMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.link[Symbol.dispose]();
    if (this.upstream !== undefined) await closed(this.upstream);
  }
}

/** A running relay. */
export class Relay implements AsyncDisposable {
  readonly #native: Native;
  readonly #plan: RelayPlan;
  readonly #events: RelayEvents;
  readonly #front: Socket;
  readonly #clients = new Map<string, Client>();
  readonly #sweeper: ReturnType<typeof setInterval>;
  /** Of clients that have left, and bytes of all. */
  readonly #totals: readonly [Counters, Counters] = [newCounters(), newCounters()];
  #ever = 0;
  /** Datagrams of clients for which there was no place, or no socket. */
  refused = 0;

  private constructor(native: Native, plan: RelayPlan, events: RelayEvents, front: Socket) {
    this.#native = native;
    this.#plan = plan;
    this.#events = events;
    this.#front = front;
    front.on(
      "message",
      (data, from) => this.#fromClient(data, { hostname: from.address, port: from.port }),
    );
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(plan.idleMs, 1000));
  }

  /** Starts a relay. */
  static async start(native: Native, plan: RelayPlan, events: RelayEvents): Promise<Relay> {
    return new Relay(native, plan, events, await open(plan.listen));
  }

  /** Where clients send to. */
  get address(): Address {
    const { address, port } = this.#front.address();
    return { hostname: address, port };
  }

  /** Clients at present. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Clients that there have been. */
  get clientsEver(): number {
    return this.#ever;
  }

  /** Counters of all clients: to the server, and to the clients. */
  get counters(): readonly [Counters, Counters] {
    const sums = [{ ...this.#totals[0] }, { ...this.#totals[1] }] as const;
    for (const { link } of this.#clients.values()) {
      const { send, receive } = link.stats;
      addTo(sums[0], send);
      addTo(sums[1], receive);
    }
    return sums;
  }

  #fromClient(data: Uint8Array, address: Address): void {
    const key = hostAndPort(address);
    const client = this.#clients.get(key) ?? this.#add(key, address);
    if (client === undefined) return void this.refused++;
    client.lastMs = performance.now();
    this.#totals[0].bytes += data.length;
    client.enter(0, data);
  }

  #add(key: string, { hostname, port }: Address): Client | undefined {
    const { to, link, seed, maximumClients } = this.#plan;
    if (this.#clients.size >= maximumClients) return undefined;
    const early: Uint8Array[] = [];
    const client: Client = new Client(new Link(this.#native, link, (seed + this.#ever) >>> 0), [
      (data) => {
        // A socket takes the bytes after this call, and they are the link's until the next one.
        const copy = data.slice();
        if (client.upstream === undefined) early.push(copy);
        else client.upstream.send(copy, to.port, to.hostname, () => {});
      },
      (data) => this.#front.send(data.slice(), port, hostname, () => {}),
    ]);
    this.#ever++;
    this.#clients.set(key, client);
    this.#connect(key, client, early).catch(() => this.#remove(key, client));
    return client;
  }

  /** Opens the socket of a client, and sends what has come meanwhile. */
  async #connect(key: string, client: Client, early: Uint8Array[]): Promise<void> {
    const { to } = this.#plan;
    const hostname = familyOf(to.hostname) === "udp6" ? "::" : "0.0.0.0";
    const socket = await open({ hostname, port: 0 });
    if (this.#clients.get(key) !== client) return await closed(socket);
    socket.on("message", (data, from) => {
      // Nobody but the server has to say anything here.
      if (from.port !== to.port || from.address !== to.hostname) return;
      client.lastMs = performance.now();
      this.#totals[1].bytes += data.length;
      client.enter(1, data);
    });
    client.upstream = socket;
    this.#events.client(key, socket.address().port);
    for (const data of early.splice(0)) socket.send(data, to.port, to.hostname, () => {});
  }

  async #remove(key: string, client: Client): Promise<void> {
    if (this.#clients.get(key) !== client) return;
    this.#clients.delete(key);
    // Before anything is awaited, so that the sums never lack a client.
    const { send, receive } = client.link.stats;
    addTo(this.#totals[0], send);
    addTo(this.#totals[1], receive);
    for (const totals of this.#totals) totals.held = 0;
    await client[Symbol.asyncDispose]();
  }

  #sweep(): void {
    const since = performance.now() - this.#plan.idleMs;
    for (const [key, client] of this.#clients) {
      if (client.lastMs > since) continue;
      this.#events.left(key);
      void this.#remove(key, client);
    }
  }

  /** Closes all sockets; what is on its way is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweeper);
    const front = closed(this.#front);
    await Promise.all([
      front,
      ...[...this.#clients].map(([key, client]) => this.#remove(key, client)),
    ]);
  }
}
