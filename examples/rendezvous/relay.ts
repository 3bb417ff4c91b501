/**
 * A relay for two clients between which no hole can be punched: a UDP socket that passes datagrams on between them. The
 * connection stays one from end to end: the relay neither reads the messages nor acknowledges them.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Address } from "@enetjs/enet";
import {
  answerOf,
  Cookies,
  type Message,
  newId,
  readMessage,
  REQUEST_BYTES,
  type Side,
  textOf,
} from "./wire.ts";

/** How much of a relay two clients may use. */
export interface RelayLimits {
  /** What it passes on, both ways together. Default 64 KiB a second, 128 KiB at once. */
  readonly bytesPerSecond: number;
  readonly burstBytes: number;
  /** How long it lasts without a datagram that it passes on. Default 30 s. */
  readonly idleMs: number;
  /** How long it lasts at most. Default an hour. */
  readonly lifetimeMs: number;
}

export const RELAY_LIMITS: RelayLimits = {
  bytesPerSecond: 64 * 1024,
  burstBytes: 128 * 1024,
  idleMs: 30_000,
  lifetimeMs: 3_600_000,
};

/** How a request begins. */
const BRACE = 0x7B;

/** A relay of two clients. */
export class Relay {
  /** What each of them has to show to it. */
  readonly tokens: Readonly<Record<Side, string>> = { listen: newId(), connect: newId() };
  /** Datagrams passed on, and dropped for a limit or because a stranger sent them. */
  readonly counts = { passed: 0, dropped: 0 };
  readonly #ends: Partial<Record<Side, Address>> = {};
  readonly #cookies = new Cookies();
  readonly #limits: RelayLimits;
  readonly #socket;
  readonly #opened = performance.now();
  #port: number | undefined;
  #used = this.#opened;
  #filled = this.#opened;
  #bytes: number;

  /** Opens a relay on any port of an address of this machine. */
  constructor(hostname: string, limits: RelayLimits) {
    this.#limits = limits;
    this.#bytes = limits.burstBytes;
    this.#socket = createSocket(isIPv6(hostname) ? "udp6" : "udp4");
    this.#socket.on("error", () => this.#used = -Infinity); // so that it is over
    this.#socket.on("message", (data, { address, port }) => {
      this.#receive(data, { hostname: address, port });
    });
    this.#socket.bind(0, hostname, () => this.#port = this.#socket.address().port);
  }

  /** Its port, once it has one. */
  get port(): number | undefined {
    return this.#port;
  }

  /** Whether its time is over. */
  get isOver(): boolean {
    const now = performance.now();
    return now > this.#used + this.#limits.idleMs || now > this.#opened + this.#limits.lifetimeMs;
  }

  close(): void {
    this.#socket.close();
  }

  #receive(data: Uint8Array, from: Address): void {
    if (data.length === REQUEST_BYTES && data[0] === BRACE) {
      const message = readMessage(new TextDecoder().decode(data));
      if (message.is === "bind") return this.#bind(message, from);
    }
    const to = this.#otherThan(from);
    if (to === undefined || !this.#allows(data.length)) return void this.counts.dropped++;
    this.counts.passed++;
    this.#used = performance.now();
    this.#send(data, to);
  }

  /** Where to send what comes from an address; undefined unless both ends are bound. */
  #otherThan(from: Address): Address | undefined {
    const { listen, connect } = this.#ends;
    if (listen === undefined || connect === undefined) return undefined;
    if (textOf(from) === textOf(listen)) return connect;
    return textOf(from) === textOf(connect) ? listen : undefined;
  }

  #allows(bytes: number): boolean {
    const { bytesPerSecond, burstBytes } = this.#limits;
    const now = performance.now();
    this.#bytes = Math.min(burstBytes, this.#bytes + (now - this.#filled) / 1000 * bytesPerSecond);
    this.#filled = now;
    if (this.#bytes < bytes) return false;
    this.#bytes -= bytes;
    return true;
  }

  /** A client shows its token, and then also that it receives what is sent to its address. */
  #bind({ token, cookie }: Message, from: Address): void {
    const side = (["listen", "connect"] as const).find((side) => this.tokens[side] === token);
    if (token === undefined || side === undefined) return void this.counts.dropped++;
    if (!this.#cookies.matches(from, cookie)) {
      return this.#answer({ is: "cookie", to: token, cookie: this.#cookies.of(from) }, from);
    }
    this.#ends[side] = from;
    const isReady = this.#ends.listen !== undefined && this.#ends.connect !== undefined;
    this.#answer({ is: isReady ? "ready" : "bound", to: token }, from);
  }

  #answer(message: Message, to: Address): void {
    this.#send(new TextEncoder().encode(answerOf(message)), to);
  }

  #send(data: Uint8Array, { hostname, port }: Address): void {
    if (port === 0) return; // of a forged address
    this.#socket.send(data, port, hostname, () => {}); // what cannot be sent is lost
  }
}
