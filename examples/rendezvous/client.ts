/**
 * A client of a rendezvous server. It listens in a room or connects to the client that listens there: through a hole
 * that both punch into their routers, or through a relay of the server.
 *
 * A room is named by a secret, which the two clients share and the server does not know.
 *
 * @module
 */
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Address,
  ENetError,
  Host,
  type HostHandlers,
  type HostOptions,
  type Packet,
  type Peer,
} from "@enetjs/enet";
import { type Other, Punches } from "./punches.ts";
import { Requests } from "./requests.ts";
import { idFrom, type Message, newId, readMessage, textOf } from "./wire.ts";

/** How a client connects. */
export interface ConnectOptions {
  /** True hides the address from the other client: everything goes through a relay. Default false. */
  readonly relayOnly?: boolean;
  /** How long all of it may take. Default 20 s. */
  readonly timeoutMs?: number;
}

/** A connection to the client that listens in a room. */
export interface Connected {
  readonly peer: Peer;
  /** Which way it takes. */
  readonly over: "direct" | "relay";
}

/** How often a client that listens says so, and how often one asks that waits for another. */
const KEEP_MS = 5000;
const REMIND_MS = 500;
/** How long an attempt to connect through a hole may take. */
const HOLE_MS = 3000;
/** How long a client that listens waits at a relay, and at how many at once. */
const BIND_MS = 10_000;
const RELAYS = 64;

/** What is done with an answer of the server. */
type Use<T> = (answer: Message) => Promise<T>;

/** A client, whose host also has the program's other connections. */
export class RendezvousClient implements AsyncDisposable {
  readonly host: Host;
  readonly #server: Address;
  /** The secrets of the rooms in which this client listens, by its nonce there. */
  readonly #listening = new Map<string, string>();
  readonly #end = new AbortController();
  readonly #requests = new Requests((to, text) => this.#send(to, text));
  readonly #punches = new Punches((to, text) => this.#send(to, text), this.#end.signal);

  private constructor(host: Host, server: Address, handlers: HostHandlers) {
    this.host = host;
    this.#server = server;
    host.accept = ({ address, data }) => this.#punches.admits(address, data);
    host.handlers = { ...handlers, datagram: (from, packet) => this.#receive(from, packet) };
  }

  /**
   * Opens a client.
   *
   * @param server the address of the rendezvous server: an IP address, and written as the library writes it. Datagrams
   *   are not sent to names
   * @param handlers for the connections, as for `Host.listen`
   * @param options of the host
   * @throws {TypeError} if the address has a name or no port
   */
  static async open(
    server: Address,
    handlers: HostHandlers = {},
    options: HostOptions = {},
  ): Promise<RendezvousClient> {
    if (isIP(server.hostname) === 0) {
      throw new TypeError(
        `resolve "${server.hostname}" first: the server's address has to be an IP`,
      );
    }
    if (!(server.port >= 1 && server.port <= 65535)) {
      throw new TypeError(`the server's port has to be from 1 to 65535, not ${server.port}`);
    }
    const hostname = server.hostname.includes(":") ? "::" : "0.0.0.0";
    const own = { hostname, datagrams: true, accept: () => false };
    return new RendezvousClient(await Host.listen({ ...options, ...own }), server, handlers);
  }

  /**
   * Listens in a room until the client is closed. Whoever knows the secret can connect, and the host reports it.
   *
   * @returns a promise that resolves once the server knows of it
   */
  async listen(secret: string): Promise<void> {
    const request = { is: "listen", room: idFrom(secret, "room"), nonce: newId() };
    const { signal } = this.#end;
    this.#listening.set(request.nonce, secret);
    try {
      await this.#ask(request, "listening", signal);
    } catch (error) {
      this.#listening.delete(request.nonce);
      throw error;
    }
    // So the server keeps the room, and routers on the way keep the port.
    void this.#keepAsking(request, "listening", KEEP_MS, signal);
  }

  /**
   * Connects to the client that listens in a room. Waits for one where nobody listens yet.
   *
   * @throws a `TimeoutError` after `timeoutMs`, also where the server does not answer or nobody listens with this secret
   */
  async connect(secret: string, options: ConnectOptions = {}): Promise<Connected> {
    const { relayOnly = false, timeoutMs = 20_000 } = options;
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#end.signal]);
    const request = { room: idFrom(secret, "room"), nonce: newId() };
    const otherOf = ({ other = "" }: Message) =>
      this.#punches.meet(secret, "connect", request.nonce, other);
    if (!relayOnly) {
      const use = (meet: Message) => this.#connectThroughHole(meet, otherOf(meet), signal);
      const peer = await this.#askFor({ is: "connect", ...request }, "meet", signal, use);
      if (peer !== undefined) return { peer, over: "direct" };
    }
    const use = (relay: Message) => this.#connectThroughRelay(relay, otherOf(relay), signal);
    const peer = await this.#askFor({ is: "relay", ...request }, "relay", signal, use);
    return { peer, over: "relay" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error("the client was closed"));
    await this.host.close();
  }

  #ask(request: Message, wanted: string, signal: AbortSignal): Promise<Message> {
    return this.#requests.ask(this.#server, request, wanted, signal);
  }

  /** Asks again from time to time. */
  async #keepAsking(request: Message, wanted: string, everyMs: number, signal: AbortSignal) {
    while (!signal.aborted) {
      await sleep(everyMs, undefined, { signal }).catch(() => {});
      // Where a router has given this client another port, the room is taken until the server has forgotten it.
      await this.#ask(request, wanted, signal).catch(() => {});
    }
  }

  /**
   * Asks for an introduction or a relay, and goes on asking while it is used: what the server tells the other client may
   * get lost.
   */
  async #askFor<T>(request: Message, wanted: string, signal: AbortSignal, use: Use<T>): Promise<T> {
    const answer = await this.#ask(request, wanted, signal);
    const used = new AbortController();
    const whileUsed = AbortSignal.any([used.signal, signal]);
    void this.#keepAsking(request, wanted, REMIND_MS, whileUsed);
    return await use(answer).finally(() => used.abort());
  }

  /** Punches a hole, and connects through it. Undefined where none opens. */
  async #connectThroughHole(meet: Message, other: Other, signal: AbortSignal) {
    const punched = this.#punches.punch(other, meet.address ?? "");
    const hole = await Promise.race([other.hole.promise, punched]);
    signal.throwIfAborted();
    if (hole === undefined) return undefined;
    try {
      return await this.host.connect(hole, { data: other.data, signal, timeoutMs: HOLE_MS });
    } catch (error) {
      if (error instanceof ENetError && error.code === "ENETJS_ERR_TIMEOUT") return undefined;
      throw error;
    }
  }

  /** Connects through a relay, once the other client is there. */
  async #connectThroughRelay(relay: Message, { data }: Other, signal: AbortSignal): Promise<Peer> {
    await this.#bind(relay, signal);
    return await this.host.connect(this.#relayOf(relay), { data, signal, retry: {} });
  }

  /** The address of a relay, which the server has told of. */
  #relayOf({ port }: Message): Address {
    return { hostname: this.#server.hostname, port: Number(port) };
  }

  /** Shows a relay where this client is, until the other one has done the same. */
  async #bind(relay: Message, signal: AbortSignal): Promise<void> {
    const request = { is: "bind", token: relay.token };
    await this.#requests.ask(this.#relayOf(relay), request, "ready", signal);
  }

  /** The server tells of a client that wants to connect. */
  #takeIntroduction(secret: string, introduction: Message): void {
    const { is, to = "", other: theirs = "", address = "" } = introduction;
    const other = this.#punches.meet(secret, "listen", to, theirs);
    if (is === "meet") return void this.#punches.punch(other, address);
    if (this.#requests.size >= RELAYS) return;
    if (!this.#punches.expect(other, this.#relayOf(introduction))) return;
    const signal = AbortSignal.any([AbortSignal.timeout(BIND_MS), this.#end.signal]);
    void this.#bind(introduction, signal).catch(() => {}); // the other client gives up, too
  }

  #receive(from: Address, packet: Packet): void {
    const message = readMessage(packet.text());
    if (this.#punches.take(from, message)) return;
    const { is, to = "" } = message;
    const secret = this.#listening.get(to);
    // Not from a relay, which passes on what the other client sends.
    const isOfServer = textOf(from) === textOf(this.#server);
    if (isOfServer && secret !== undefined && (is === "meet" || is === "relay")) {
      this.#takeIntroduction(secret, message);
    } else this.#requests.take(from, message);
  }

  /** Sends a datagram. One that cannot be sent counts as lost: an introduction may have any address. */
  #send(to: Address | string, text: string): void {
    try {
      this.host.sendDatagram(to, text);
    } catch {
      // The request is repeated, and instead of a hole there are relays.
    }
  }
}
