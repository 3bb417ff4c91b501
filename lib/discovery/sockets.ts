/**
 * The UDP sockets of discovery. Networks come and go while a program runs. A list says from time to time which
 * sockets should be open.
 *
 * @module
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import type { ENetError } from "../errors.ts";
import { needsZone, parseIp } from "../internal/ip.ts";
import { systemError } from "../internal/system_error.ts";

/** A socket that should be open. Two with the same values are the same. */
export interface Spot {
  readonly type: "udp4" | "udp6";
  /** The address that the socket is bound to. */
  readonly address: string;
  /** The port; 0 takes any. */
  readonly port: number;
  /** The interface that its IPv6 peers are on, where that is known. */
  readonly zone: string;
  /**
   * The numbers of its interfaces. One that has gone and come back has another: what a socket was told of the old one
   * is void.
   */
  readonly numbers: readonly number[];
  /** The group to join, and the interfaces to join it on. */
  readonly group: string;
  readonly joins: readonly string[];
  /** Where queries go. */
  readonly targets: readonly string[];
}

/** Where a datagram has come from. */
export interface Source {
  /** With its zone. */
  readonly hostname: string;
  readonly port: number;
}

/** What is called for each datagram. */
export type OnDatagram = (bytes: Uint8Array, source: Source) => void;

/**
 * Most datagrams between two calls of `refresh`. With one more, all sockets are closed until the next call: a flood
 * then costs this process no more time.
 */
const MOST_DATAGRAMS = 5000;

/**
 * Takes addresses for what they are, at once. The runtimes' own lookup lets Deno throw where nobody can catch it when
 * a permission is missing.
 */
function lookup(hostname: string, ...others: unknown[]): void {
  const callback = others.at(-1) as (error: null, address: string, family: number) => void;
  callback(null, hostname, hostname.includes(":") ? 6 : 4);
}

/** Sets what a socket needs once it is bound. */
function prepare(socket: Socket, { type, group, joins, targets, address, zone }: Spot): void {
  let failure: unknown;
  const failed = joins.filter((place) => {
    try {
      socket.addMembership(group, place);
      return false;
    } catch (error) {
      failure = error;
      return true;
    }
  });
  // The system joins a limited number of groups.
  if (failed.length > 0 && failed.length === joins.length) throw failure;
  if (targets.length === 0 || address === "0.0.0.0" || address === "::") return;
  // Link-local: no router passes it on.
  socket.setMulticastTTL(1);
  if (type === "udp4") socket.setBroadcast(true);
  socket.setMulticastInterface(type === "udp4" ? address : `::%${zone}`);
}

/** Opens a socket; it must have a listener for errors. */
function open(socket: Socket, spot: Spot): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("The socket was closed")));
    socket.once("listening", () => {
      try {
        prepare(socket, spot);
        resolve();
      } catch (error) {
        reject(error);
      }
    });
    try {
      socket.bind({ address: spot.address, port: spot.port });
    } catch (error) {
      reject(error);
    }
  });
}

/** An open socket, or one that is being opened. */
interface Entry {
  readonly socket: Socket;
  readonly spot: Spot;
  isReady: boolean;
}

/** Some sockets. */
export class Sockets {
  readonly #onDatagram: OnDatagram;
  readonly #keepsAlive: boolean;
  /** By the values of their spots. */
  readonly #open = new Map<string, Entry>();
  #budget = MOST_DATAGRAMS;

  /** @param keepsAlive whether the process goes on for as long as a socket is open */
  constructor(onDatagram: OnDatagram, keepsAlive: boolean) {
    this.#onDatagram = onDatagram;
    this.#keepsAlive = keepsAlive;
  }

  /** Whether one is open. */
  get isOpen(): boolean {
    return [...this.#open.values()].some(({ isReady }) => isReady);
  }

  /**
   * Opens what is missing and closes what is too much.
   *
   * @param what what is being done, for the error
   * @returns the error of a socket that could not be opened
   */
  async refresh(spots: readonly Spot[], what: string): Promise<ENetError | undefined> {
    this.#budget = MOST_DATAGRAMS;
    const wanted = new Map(spots.map((spot) => [JSON.stringify(spot), spot]));
    for (const key of this.#open.keys()) if (!wanted.has(key)) this.#drop(key);
    const missing = [...wanted].filter(([key]) => !this.#open.has(key));
    const errors = await Promise.all(missing.map(([key, spot]) => this.#add(key, spot)));
    const error = errors.find((error) => error !== undefined);
    return error === undefined ? undefined : systemError(error, what);
  }

  async #add(key: string, spot: Spot): Promise<Error | undefined> {
    const { type } = spot;
    const socket = createSocket({ type, reuseAddr: true, ipv6Only: type === "udp6", lookup });
    const entry = { socket, spot, isReady: false };
    this.#open.set(key, entry);
    const has = () => this.#open.get(key) === entry;
    socket.on("message", (bytes: Uint8Array, from: RemoteInfo) => {
      if (has()) this.#take(bytes, from, spot);
    });
    // Not later: on Deno it does nothing for a socket that receives already.
    if (!this.#keepsAlive) socket.unref();
    try {
      await open(socket, spot);
    } catch (error) {
      if (!has()) return undefined;
      this.#drop(key);
      return error as Error;
    }
    entry.isReady = true;
    socket.on("error", () => has() && this.#drop(key));
    return undefined;
  }

  #take(bytes: Uint8Array, { address, port }: RemoteInfo, { zone }: Spot): void {
    if (this.#budget-- === 0) return this.close();
    // Deno leaves the zone out.
    const ip = zone === "" ? undefined : parseIp(address);
    const isBare = typeof ip === "object" && ip.zone === "" && needsZone(ip);
    this.#onDatagram(bytes, { hostname: isBare ? `${address}%${zone}` : address, port });
  }

  /** Sends a datagram to every target of some sockets. What cannot be sent is lost, as datagrams are. */
  send(bytes: Uint8Array, port: number, isWanted: (spot: Spot) => boolean): void {
    for (const { socket, spot, isReady } of this.#open.values()) {
      for (const target of isReady && isWanted(spot) ? spot.targets : []) {
        try {
          socket.send(bytes, port, target, () => {});
        } catch {
          // Deno throws where a permission is missing, and where the socket has failed.
        }
      }
    }
  }

  #drop(key: string): void {
    const found = this.#open.get(key);
    this.#open.delete(key);
    // A socket that failed while it was being opened may be closed already.
    found?.socket.on("error", () => {});
    try {
      found?.socket.close();
    } catch {
      // it is
    }
  }

  /** Closes all of them, until the next `refresh`. */
  close(): void {
    for (const key of [...this.#open.keys()]) this.#drop(key);
  }
}
