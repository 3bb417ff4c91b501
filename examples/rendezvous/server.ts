/**
 * A rendezvous server: it tells two clients that know the same secret where the other one is. When they ask for it,
 * it opens a relay for them. It knows neither the secret nor what they send each other.
 *
 * @module
 */
import { type Address, Host, type Packet } from "@enetjs/enet";
import { Relay, RELAY_LIMITS, type RelayLimits } from "./relay.ts";
import {
  answerOf,
  Cookies,
  isId,
  type Message,
  Quota,
  readMessage,
  REQUEST_BYTES,
  textOf,
} from "./wire.ts";

/** How much a server takes upon itself. */
export interface ServerOptions {
  /** Where it listens, as for `Host.listen`. */
  readonly hostname?: string;
  readonly port?: number;
  /** Rooms at most. Default 4096, 16 of one address. */
  readonly rooms?: number;
  readonly roomsOfAddress?: number;
  /** How long a room stays open when the client that listens there is not heard of. Default 15 s. */
  readonly roomMs?: number;
  /** Relays at most; 0 relays nothing. Default 64, 4 of one address. */
  readonly relays?: number;
  readonly relaysOfAddress?: number;
  readonly relayLimits?: Partial<RelayLimits>;
  /** Requests a second from one address. Default 50. */
  readonly requestsPerSecond?: number;
}

const SWEEP_MS = 1000;

/** A client that listens in a room. */
interface Listener {
  readonly address: Address;
  readonly nonce: string;
  readonly until: number;
}

/** A relay, and the client that asked for it. */
interface Relayed {
  readonly relay: Relay;
  readonly from: Address;
}

/** A running server. */
export class RendezvousServer implements AsyncDisposable {
  readonly host: Host;
  readonly #rooms = new Map<string, Listener>();
  readonly #relays = new Map<string, Relayed>();
  readonly #cookies = new Cookies();
  readonly #options: Required<ServerOptions>;
  readonly #roomQuota: Quota;
  readonly #relayQuota: Quota;
  readonly #sweeper = setInterval(() => this.#sweep(), SWEEP_MS);

  private constructor(host: Host, options: Required<ServerOptions>) {
    this.host = host;
    this.#options = options;
    this.#roomQuota = new Quota(options.roomsOfAddress);
    this.#relayQuota = new Quota(options.relaysOfAddress);
    host.handlers = { datagram: (from, packet) => this.#receive(from, packet) };
  }

  /** Opens a server. */
  static async open(options: ServerOptions = {}): Promise<RendezvousServer> {
    const { hostname = "0.0.0.0", port = 0, requestsPerSecond = 50 } = options;
    const datagrams = { perSecond: requestsPerSecond, burst: 4 * requestsPerSecond };
    const host = await Host.listen({
      hostname,
      port,
      peers: 1,
      accept: () => false, // its clients send datagrams only
      datagrams: true,
      limits: { address: { datagrams } },
    });
    return new RendezvousServer(host, {
      rooms: 4096,
      roomsOfAddress: 16,
      roomMs: 15_000,
      relays: 64,
      relaysOfAddress: 4,
      relayLimits: {},
      ...options,
      hostname,
      port,
      requestsPerSecond,
    });
  }

  /** What it holds. */
  get counts(): { rooms: number; relays: number } {
    return { rooms: this.#rooms.size, relays: this.#relays.size };
  }

  /** Its relays. */
  get relays(): Relay[] {
    return [...this.#relays.values()].map(({ relay }) => relay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweeper);
    for (const { relay } of this.#relays.values()) relay.close();
    this.#relays.clear();
    await this.host.close();
  }

  #receive(from: Address, packet: Packet): void {
    if (packet.length !== REQUEST_BYTES) return;
    const { is, room, nonce, cookie } = readMessage(packet.text());
    if (!isId(room) || !isId(nonce)) return;
    if (!this.#cookies.matches(from, cookie)) {
      this.#answer(from, { is: "cookie", to: nonce, cookie: this.#cookies.of(from) });
    } else if (is === "listen") this.#listen(from, room, nonce);
    else if (is === "connect") this.#introduce(from, room, nonce);
    else if (is === "relay") this.#relay(from, room, nonce);
  }

  #answer(to: Address, message: Message): void {
    this.host.sendDatagram(to, answerOf(message));
  }

  /** Opens a room, or keeps it open: for this the same client has to ask from the same address. */
  #listen(from: Address, room: string, nonce: string): void {
    const held = this.#rooms.get(room);
    if (held === undefined) {
      const isFull = this.#rooms.size >= this.#options.rooms || !this.#roomQuota.take(from);
      if (isFull) return this.#answer(from, { is: "full", to: nonce });
    } else if (held.nonce !== nonce || textOf(held.address) !== textOf(from)) {
      return this.#answer(from, { is: "taken", to: nonce });
    }
    this.#rooms.set(room, {
      address: from,
      nonce,
      until: performance.now() + this.#options.roomMs,
    });
    this.#answer(from, { is: "listening", to: nonce });
  }

  /** Tells a client that connects and the one that listens of each other. Both have proved their addresses. */
  #introduce(from: Address, room: string, nonce: string): void {
    const listener = this.#rooms.get(room);
    if (listener === undefined) return this.#answer(from, { is: "nobody", to: nonce });
    const { address, nonce: other } = listener;
    this.#answer(from, { is: "meet", to: nonce, other, address: textOf(address) });
    this.#answer(address, { is: "meet", to: other, other: nonce, address: textOf(from) });
  }

  /** Opens a relay for the two. A client repeats its request until it is answered. */
  #relay(from: Address, room: string, nonce: string): void {
    const listener = this.#rooms.get(room);
    if (listener === undefined) return this.#answer(from, { is: "nobody", to: nonce });
    const { address, nonce: other } = listener;
    const pair = `${other} ${nonce} ${textOf(from)}`;
    const relay = this.#relays.get(pair)?.relay ?? this.#openRelay(pair, from);
    if (relay === undefined) return this.#answer(from, { is: "full", to: nonce });
    if (relay.port === undefined) return; // it has one when the request is repeated
    const { tokens } = relay;
    const port = String(relay.port);
    this.#answer(from, { is: "relay", to: nonce, other, port, token: tokens.connect });
    this.#answer(address, { is: "relay", to: other, other: nonce, port, token: tokens.listen });
  }

  #openRelay(pair: string, from: Address): Relay | undefined {
    const { relays, hostname, relayLimits } = this.#options;
    if (this.#relays.size >= relays || !this.#relayQuota.take(from)) return undefined;
    const relay = new Relay(hostname, { ...RELAY_LIMITS, ...relayLimits });
    this.#relays.set(pair, { relay, from });
    return relay;
  }

  #sweep(): void {
    const now = performance.now();
    for (const [room, { address, until }] of this.#rooms) {
      if (now < until) continue;
      this.#rooms.delete(room);
      this.#roomQuota.giveBack(address);
    }
    for (const [pair, { relay, from }] of this.#relays) {
      if (!relay.isOver) continue;
      relay.close();
      this.#relays.delete(pair);
      this.#relayQuota.giveBack(from);
    }
  }
}
