import type { Buffer } from "node:buffer";
import { ENetError } from "../errors.ts";
import { Host as CoreHost, hosts as coreHosts } from "../host.ts";
import type { AddressInfo } from "./address.ts";
import { admits, currentFilter } from "./filter.ts";
import type { HostPlan } from "./options.ts";
import { type Peer, peers } from "./peer.ts";
import { SocketBridge } from "./socket_bridge.ts";

/** An address and port as the native host names them. */
export interface Endpoint {
  readonly hostname: string;
  readonly port: number;
}

/** What a backing asks of the host before it. */
export interface BackingOwner {
  /** The peers that are connecting or connected. */
  peers(): Peer[];
  /** The program's socket has failed. */
  failed(error: Error): void;
  /** The program's socket has been closed. */
  closed(): void;
}

/** The error of what is asked of a host that has been destroyed. */
export function hostDestroyed(): ENetError {
  return new ENetError("ENETJS_ERR_CLOSED", "host-destroyed");
}

/**
 * The native host behind a host of this module, with its settings and its filter. What is set before the
 * native host is open is put in force once it is. Where the program has given a socket, a bridge leads to it.
 */
export class Backing {
  /** Resolves once the native host is open; rejects when that fails, or the backing is closed before. */
  readonly opened: Promise<void>;
  readonly #plan: HostPlan;
  readonly #owner: BackingOwner;
  #core: CoreHost | undefined;
  #bridge: SocketBridge | undefined;
  #compression: "none" | "range-coder" = "none";
  #checksum: "none" | "crc32";
  #watchesDatagrams = false;
  #closed = false;

  constructor(plan: HostPlan, owner: BackingOwner) {
    this.#plan = plan;
    this.#owner = owner;
    this.#checksum = plan.checksum ? "crc32" : "none";
    this.opened = this.#open();
  }

  async #open(): Promise<void> {
    const { kind, address, unguarded, socket, options } = this.#plan;
    const settings = {
      ...options,
      compression: this.#compression,
      checksum: this.#checksum,
      // Nothing comes in before the filter is in place.
      filter: { deny: ["0.0.0.0/0"] },
    };
    const core = kind === "client"
      ? await coreHosts.createIPv4(settings)
      : await CoreHost.listen({ ...settings, ...address, unguarded });
    if (this.#closed) {
      core[Symbol.dispose]();
      throw hostDestroyed();
    }
    this.#core = core;
    core.compression = this.#compression;
    core.checksum = this.#checksum;
    if (socket !== undefined) {
      this.#bridge = new SocketBridge(socket, core.address.port, {
        inUse: (port) => core.peers.some((peer) => peer.address.port === port),
        failed: (error) => this.#owner.failed(error),
        closed: () => this.#owner.closed(),
      });
    }
    this.applyFilter();
    if (this.#watchesDatagrams) core.datagrams = true;
  }

  /** The native host, or undefined before it is open and once it is closed. */
  get core(): CoreHost | undefined {
    return this.#closed ? undefined : this.#core;
  }

  /** What carries datagrams to the program's socket and back, where the program has given one. */
  get bridge(): SocketBridge | undefined {
    return this.#bridge;
  }

  set compression(compression: "none" | "range-coder") {
    this.#compression = compression;
    if (this.core !== undefined) this.core.compression = compression;
  }

  set checksum(checksum: "none" | "crc32") {
    this.#checksum = checksum;
    if (this.core !== undefined) this.core.checksum = checksum;
  }

  /** Has the native host report datagrams that are not ENet's. */
  watchDatagrams(): void {
    this.#watchesDatagrams = true;
    if (this.core !== undefined) this.core.datagrams = true;
  }

  /** Puts the filter of `init` in force. */
  applyFilter(): void {
    const { core } = this;
    if (core === undefined || core.closed) return;
    const filter = currentFilter();
    const bridged = this.#bridge !== undefined;
    if (this.#plan.kind !== "client" && !this.#plan.unguarded) {
      const asks = bridged || typeof filter === "function";
      core.accept = asks ? ({ address }) => this.admits(address) : undefined;
    }
    core.filter = bridged || typeof filter !== "object" ? {} : filter;
    for (const peer of this.#owner.peers()) this.filterPeer(peer);
  }

  /** Has native code drop what comes from a peer, if the filter denies it. */
  filterPeer(peer: Peer): void {
    peers.filter(peer, (address) => this.admits(address));
  }

  /** Whether the filter of `init` admits a source of the native host. */
  admits({ hostname, port }: Endpoint): boolean {
    if (this.#bridge === undefined) return admits(hostname, port);
    // The bridge has asked about whom its links stand for. Nobody else may use the loopback address.
    return this.#bridge.sourceOf(port) !== undefined;
  }

  /** The sender behind an address: with a bridge, the remote address that a link stands for. */
  sourceOf({ hostname, port }: Endpoint): AddressInfo {
    return this.#bridge?.sourceOf(port) ?? { address: hostname, port };
  }

  /** The local address, or undefined while there is no native host. */
  address(): AddressInfo | undefined {
    if (this.core === undefined) return undefined;
    const { hostname, port } = this.core.address;
    const given = this.#plan.socket?.address();
    return { address: given?.address ?? hostname, port: given?.port ?? port };
  }

  /** Sends a raw datagram. */
  async send(to: Endpoint, bytes: Buffer): Promise<void> {
    if (this.core === undefined) throw hostDestroyed();
    if (this.#bridge !== undefined) return await this.#bridge.send(to.hostname, to.port, bytes);
    if (!this.core.sendDatagram(to, bytes)) {
      throw new ENetError("ENETJS_ERR_SOCKET", "The socket's send buffer is full");
    }
  }

  /**
   * Closes the native host, which tells its peers. The program's socket stays open.
   *
   * @returns with a bridge, a promise that resolves once the notices have passed through it
   */
  close(): Promise<void> | undefined {
    this.#closed = true;
    this.#core?.[Symbol.dispose]();
    return this.#bridge?.close();
  }
}
