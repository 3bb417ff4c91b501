import type { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import { show } from "../internal/validate.ts";
import type { AddressInfo } from "./address.ts";
import { admits } from "./filter.ts";

/** What is needed of a UDP socket; `node:dgram` has it. */
export interface UdpSocket {
  /** Listens to `message` (bytes, and address and port of the sender), `error` and `close`. */
  // deno-lint-ignore no-explicit-any -- the listeners of node:dgram differ from event to event
  on(event: string, listener: (...args: any[]) => void): unknown;
  /** Undoes `on`. */
  // deno-lint-ignore no-explicit-any -- as above
  removeListener(event: string, listener: (...args: any[]) => void): unknown;
  /** Sends a part of a buffer. */
  send(
    data: Uint8Array,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback?: (error: Error | null) => void,
  ): unknown;
  /** The local address. */
  address(): AddressInfo;
}

/** Refuses what is no UDP socket. */
export function requireSocket(socket: unknown): UdpSocket {
  for (const name of ["on", "removeListener", "send", "address"] as const) {
    if (typeof (socket as UdpSocket | undefined)?.[name] !== "function") {
      throw new TypeError(`socket must be a UDP socket of node:dgram, not ${show(socket)}`);
    }
  }
  return socket as UdpSocket;
}

/** What a bridge asks of its host. */
export interface BridgeOwner {
  /** Whether a connection goes through a link. */
  inUse(port: number): boolean;
  /** The socket has failed. */
  failed(error: Error): void;
  /** The socket has been closed. */
  closed(): void;
}

/** One sender, as the native host sees it: a socket on the loopback address. */
interface Link {
  readonly socket: Socket;
  readonly remote: AddressInfo;
  /** Its port, once it is bound. */
  readonly port: Promise<number>;
  bound: number | undefined;
}

/** Links that are kept. */
const LINKS = 8192;

/** Milliseconds for the last datagrams of the native host to pass, after it is closed. */
const LINGER_MS = 50;

const LOOPBACK_NAME = "127.0.0.1";

/**
 * Carries datagrams between a socket of the program and a native host on the loopback address. Each remote
 * address has a link: a socket on the loopback address that the native host takes for the remote one.
 */
export class SocketBridge {
  readonly #socket: UdpSocket;
  readonly #corePort: number;
  readonly #owner: BridgeOwner;
  /** By `address:port`, those used last at the end. */
  readonly #links = new Map<string, Link>();
  readonly #byPort = new Map<number, Link>();
  #closed = false;

  constructor(socket: UdpSocket, corePort: number, owner: BridgeOwner) {
    this.#socket = socket;
    this.#corePort = corePort;
    this.#owner = owner;
    socket.on("message", this.#onMessage);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  readonly #onMessage = (data: Uint8Array, { address, port }: AddressInfo) => {
    if (this.#closed || !isIPv4(address) || !admits(address, port)) return;
    const link = this.#link(address, port);
    if (link.bound === undefined) void link.port.then(() => this.#pass(link, data), () => {});
    else this.#pass(link, data);
  };

  readonly #onError = (error: Error) => this.#owner.failed(error);
  readonly #onClose = () => this.#owner.closed();

  #pass(link: Link, data: Uint8Array): void {
    // A link that was closed meanwhile loses the datagram, as a network may.
    if (this.#byPort.get(link.bound as number) !== link) return;
    link.socket.send(data, 0, data.length, this.#corePort, LOOPBACK_NAME);
  }

  /** The address that a link stands for. */
  sourceOf(port: number): AddressInfo | undefined {
    return this.#byPort.get(port)?.remote;
  }

  /** The port on the loopback address that stands for a remote one. */
  linkTo(address: string, port: number): Promise<number> {
    return this.#link(address, port).port;
  }

  #link(address: string, port: number): Link {
    const key = `${address}:${port}`;
    const link = this.#links.get(key) ?? this.#create({ address, port });
    this.#links.delete(key);
    this.#links.set(key, link);
    return link;
  }

  #create(remote: AddressInfo): Link {
    if (this.#links.size >= LINKS) this.#evict();
    const socket = createSocket("udp4");
    const bound = Promise.withResolvers<number>();
    const link: Link = { socket, remote, port: bound.promise, bound: undefined };
    bound.promise.catch(() => {});
    socket.on("error", (error) => {
      bound.reject(error);
      this.#drop(link);
    });
    socket.on("message", (data: Buffer, from: AddressInfo) => {
      if (from.port === this.#corePort) this.#forward(remote, data);
    });
    socket.bind(0, LOOPBACK_NAME, () => {
      link.bound = socket.address().port;
      this.#byPort.set(link.bound, link);
      bound.resolve(link.bound);
    });
    return link;
  }

  /** Closes the link that has been idle longest, of those without a connection. */
  #evict(): void {
    for (const link of this.#links.values()) {
      if (link.bound !== undefined && !this.#owner.inUse(link.bound)) return this.#drop(link);
    }
  }

  #drop(link: Link): void {
    if (!this.#links.delete(`${link.remote.address}:${link.remote.port}`)) return;
    if (link.bound !== undefined) this.#byPort.delete(link.bound);
    link.socket.close();
  }

  #forward({ address, port }: AddressInfo, data: Uint8Array): void {
    // The program may have closed its socket; then the datagram is lost, as in a network.
    this.send(address, port, data).catch(() => {});
  }

  /** Sends a datagram through the program's socket. */
  send(address: string, port: number, data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(
        data,
        0,
        data.length,
        port,
        address,
        (error) => error ? reject(error) : resolve(),
      );
    });
  }

  /** Stops using the program's socket, once the last datagrams have passed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
    this.#socket.removeListener("message", this.#onMessage);
    this.#socket.removeListener("error", this.#onError);
    this.#socket.removeListener("close", this.#onClose);
    for (const link of [...this.#links.values()]) this.#drop(link);
  }
}
