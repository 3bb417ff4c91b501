import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { MAXIMUM_DATAGRAM } from "../internal/native_transport.ts";
import { integer } from "../internal/validate.ts";
import { formatIPv4, LOOPBACK, parseIPv4 } from "../internal/ip.ts";
import { resolveIPv4 } from "../internal/resolve.ts";
import { ENetError } from "../errors.ts";
import type { HostEvent } from "../events.ts";
import { Host as CoreHost, hosts as coreHosts } from "../host.ts";
import type { HostStats } from "../host_stats.ts";
import type { Packet as CorePacket } from "../packet.ts";
import { type Peer as CorePeer, peers as corePeers } from "../peer.ts";
import { checkCallback, emit, report } from "./_report.ts";
import { Address, type AddressInfo, type AddressLike } from "./address.ts";
import { PACKET_FLAG } from "./constants.ts";
import { admits, currentFilter, enlist } from "./filter.ts";
import type { HostPlan } from "./options.ts";
import { Packet, type PacketData, packets } from "./packet.ts";
import { type ConnectCallback, dataOf, type Peer, type PeerHost, peers } from "./peer.ts";
import { SocketBridge } from "./socket_bridge.ts";
import { isTelex } from "./telex.ts";

/** The events of a {@linkcode Host} and the arguments of their listeners. */
export interface HostEvents {
  /**
   * A connection has been established: its peer; the 32-bit value of the other side, undefined for a
   * connection that this side opened; and whether this side opened it.
   */
  connect: [peer: Peer, data: number | undefined, outgoing: boolean];
  /** A message: its sender, its packet, and the channel. */
  message: [peer: Peer, packet: Packet, channel: number];
  /** A datagram of JSON that is not ENet's, and its source. */
  telex: [buffer: Buffer, source: AddressInfo];
  /** The host has been destroyed. */
  destroy: [];
  /** The socket has failed, or the host could not be created and there was no callback. */
  error: [error: Error];
}

/** What the functions that create hosts may do with them. */
interface HostInside {
  /** A host that is being opened, and the promise that it is. */
  create(plan: HostPlan): { readonly host: Host; readonly opened: Promise<void> };
}

let inside: HostInside;

const creating = Symbol("creating");

/**
 * An ENet host, made by `createServer`, `createClient` or `createServerFromSocket`. It emits
 * {@linkcode HostEvents}. An error that a listener throws is an uncaught error of the runtime; the host goes
 * on.
 */
export class Host extends EventEmitter<HostEvents> implements Disposable {
  /** The peers that are connecting or connected, by a number of their own. */
  readonly connectedPeers: Record<string, Peer> = {};
  readonly #plan: HostPlan;
  readonly #byCore = new WeakMap<CorePeer, Peer>();
  readonly #numbers = new WeakMap<Peer, number>();
  /** Peers that this side connects to. */
  readonly #outgoing = new WeakSet<Peer>();
  /** This host as its peers see it. */
  readonly #forPeers: PeerHost = {
    isOffline: () => this.#destroyed,
    forget: (peer) => void delete this.connectedPeers[this.#numbers.get(peer) as number],
  };
  readonly #leaveFilter: () => void;
  readonly #opened: Promise<void>;
  #core: CoreHost | undefined;
  #bridge: SocketBridge | undefined;
  #received: AddressInfo | undefined;
  #count = 0;
  #started = false;
  #running = false;
  #destroyed = false;
  #compression: "none" | "range-coder" = "none";
  #checksum: "none" | "crc32";

  private constructor(plan: HostPlan, key: symbol) {
    if (key !== creating) {
      throw new TypeError("A Host is made by createServer, createClient or createServerFromSocket");
    }
    super();
    this.setMaxListeners(0);
    this.#plan = plan;
    this.#checksum = plan.checksum ? "crc32" : "none";
    this.#leaveFilter = enlist({ applyFilter: () => this.#applyFilter() });
    (this as EventEmitter).on("newListener", (name: unknown) => {
      if (name === "telex") this.#watchDatagrams();
    });
    this.#opened = this.#open();
  }

  async #open(): Promise<void> {
    const { kind, address, unguarded, socket, options } = this.#plan;
    const settings = {
      ...options,
      compression: this.#compression,
      checksum: this.#checksum,
      // Nothing comes in before the filter is in place.
      filter: { deny: ["0.0.0.0/0", "::/0"] },
    };
    const core = kind === "client"
      ? await CoreHost.create(settings)
      : await CoreHost.listen({ ...settings, ...address, unguarded });
    if (this.#destroyed) {
      core[Symbol.dispose]();
      throw new ENetError("ENETJS_ERR_CLOSED", "host-destroyed");
    }
    this.#core = core;
    core.compression = this.#compression;
    core.checksum = this.#checksum;
    if (socket !== undefined) {
      this.#bridge = new SocketBridge(socket, core.address.port, {
        inUse: (port) => core.peers.some((peer) => peer.address.port === port),
        failed: (error) => this.#fail(error),
        closed: () => this.destroy(),
      });
    }
    this.#applyFilter();
    if (this.listenerCount("telex") > 0) this.#watchDatagrams();
    if (this.#started) this.#run(core);
  }

  /** Puts the filter of `init` in force. */
  #applyFilter(): void {
    const core = this.#core;
    if (core === undefined || core.closed) return;
    const filter = currentFilter();
    const bridged = this.#bridge !== undefined;
    if (this.#plan.kind !== "client" && !this.#plan.unguarded) {
      const asks = bridged || typeof filter === "function";
      core.accept = asks ? ({ address }) => this.#admits(address) : undefined;
    }
    core.filter = bridged || typeof filter !== "object" ? {} : filter;
    for (const peer of this.peers()) this.#filterPeer(peer);
  }

  /** Whether the filter of `init` admits a source of the native host. */
  #admits({ hostname, port }: { readonly hostname: string; readonly port: number }): boolean {
    if (this.#bridge === undefined) return admits(hostname, port);
    // The bridge has asked about whom its links stand for. Nobody else may use the loopback address.
    return this.#bridge.sourceOf(port) !== undefined;
  }

  /** Has native code drop what comes from a peer, if the filter denies it. */
  #filterPeer(peer: Peer): void {
    peers.filter(peer, (address) => this.#admits(address));
  }

  /** Reports datagrams that are not ENet's only when the host has a listener for them. */
  #watchDatagrams(): void {
    if (this.#core !== undefined && !this.#destroyed) this.#core.datagrams = true;
  }

  /** Emits events from now on; until then they wait. */
  #start(): void {
    this.#started = true;
    if (this.#core !== undefined) this.#run(this.#core);
  }

  async #run(core: CoreHost): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for await (const event of core) this.#dispatch(event);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#destroyed) return;
    emit(this, "error", error);
    this.destroy();
  }

  #dispatch(event: HostEvent): void {
    if (event.type === "datagram") return this.#datagram(event.address, event.packet.view);
    const peer = this.#peerOf(event.peer);
    this.#received = peer.address();
    switch (event.type) {
      case "connect":
        return this.#connected(peer, event.peer, event.data);
      case "disconnect":
        // What this side gave is nothing to be told.
        return peers.end(peer, event.reason === "remote" ? event.data : 0, event.reason);
      case "receive":
        return this.#message(peer, event.channelId, event.packet);
    }
  }

  #message(peer: Peer, channel: number, { view, flags }: CorePacket): void {
    const reads = peers.reads(peer, channel);
    const listeners = this.listenerCount("message") + peer.listenerCount("message");
    if (!this.#knows(peer) || (!reads && listeners === 0)) return;
    const bytes = Buffer.from(view);
    if (listeners > 0) {
      const packet = packets.received(bytes, flags);
      emit(this, "message", peer, packet, channel);
      emit(peer, "message", packet, channel);
    }
    if (reads) peers.receive(peer, channel, bytes);
  }

  #datagram(source: { hostname: string; port: number }, view: Uint8Array): void {
    if (!this.#admits(source) || !isTelex(view)) return;
    this.#received = this.#sourceOf(source.hostname, source.port);
    emit(this, "telex", Buffer.from(view), this.#received);
  }

  /** The sender behind an address: with a bridge, the remote address that a link stands for. */
  #sourceOf(address: string, port: number): AddressInfo {
    return this.#bridge?.sourceOf(port) ?? { address, port };
  }

  /** The peer of a connection; a new one where the other side has connected. */
  #peerOf(core: CorePeer): Peer {
    const known = this.#byCore.get(core);
    if (known !== undefined) return known;
    const { hostname, port } = core.address;
    const address = this.#sourceOf(hostname, port);
    const peer = this.#register(peers.create(this.#forPeers, address));
    this.#attach(peer, core);
    return peer;
  }

  #attach(peer: Peer, core: CorePeer): void {
    this.#byCore.set(core, peer);
    peers.attach(peer, core);
  }

  #register(peer: Peer): Peer {
    this.#numbers.set(peer, ++this.#count);
    this.connectedPeers[this.#count] = peer;
    return peer;
  }

  #knows(peer: Peer): boolean {
    return this.connectedPeers[this.#numbers.get(peer) as number] === peer;
  }

  #connected(peer: Peer, core: CorePeer, data: number): void {
    if (!this.#knows(peer)) return;
    const outgoing = this.#outgoing.has(peer);
    // Where nothing guards the host, or init was called since the client was accepted.
    if (!outgoing && !this.#admits(core.address)) return void peer.reset();
    peers.connected(peer);
    if (this.#knows(peer)) emit(this, "connect", peer, outgoing ? undefined : data, outgoing);
  }

  /** Whether the host has been destroyed, or its socket is closed. */
  isOffline(): boolean {
    return this.#destroyed;
  }

  /** The opposite of {@linkcode Host.isOffline}. */
  isOnline(): boolean {
    return !this.#destroyed;
  }

  /**
   * Emits events from now on; until then they wait. A client starts by itself when it first connects.
   * Events are emitted as they come.
   *
   * @param _intervalMs has no effect: nothing polls
   */
  start(_intervalMs?: number): void {
    if (!this.#destroyed) this.#start();
  }

  /** Does what {@linkcode Host.destroy} does. */
  stop(): void {
    this.destroy();
  }

  /**
   * Sends every peer one notice, which may be lost, and closes the socket, unless the program gave it. Emits
   * `disconnect` on every peer, then `destroy`: before it returns, or with a socket of the program once the
   * notices have passed through it. A second call does nothing.
   */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#leaveFilter();
    this.#core?.[Symbol.dispose]();
    for (const peer of this.peers()) peers.end(peer, 0, "local");
    if (this.#bridge === undefined) emit(this, "destroy");
    else void this.#bridge.close().then(() => emit(this, "destroy"));
  }

  /** Does what {@linkcode Host.destroy} does. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  /** The source of the last message or datagram emitted; undefined before that. */
  receivedAddress(): AddressInfo | undefined {
    return this.#destroyed ? undefined : this.#received;
  }

  /** The local address, or undefined while the host is being opened and once it is destroyed. */
  address(): (AddressInfo & { readonly family: "IPv4" }) | undefined {
    if (this.#core === undefined || this.#destroyed) return undefined;
    const { hostname, port } = this.#core.address;
    const given = this.#plan.socket?.address();
    return { address: given?.address ?? hostname, port: given?.port ?? port, family: "IPv4" };
  }

  /** What the host has done since it was created, or undefined as for {@linkcode Host.address}. */
  stats(): HostStats | undefined {
    return this.#destroyed ? undefined : this.#core?.stats;
  }

  /**
   * Sends a raw datagram from the host's port.
   *
   * @param ip IPv4 address or host name
   * @param port where to, 1–65535
   * @param data what to send, at most 65,507 bytes
   * @param callback called once: with an error, or with null and the length
   * @throws {TypeError} if an argument is of the wrong type
   * @throws {RangeError} if the port or the size are out of range
   */
  send(
    ip: string,
    port: number,
    data: PacketData,
    callback?: (error: Error | null, bytes?: number) => void,
  ): void {
    checkCallback(callback);
    const bytes = packets.bytes(new Packet(data)) as Buffer;
    const to = { hostname: new Address(ip, port).address(), port: integer(port, "port", 1, 65535) };
    if (bytes.length > MAXIMUM_DATAGRAM) {
      throw new RangeError(
        `data of ${bytes.length} bytes is larger than a datagram, ${MAXIMUM_DATAGRAM}`,
      );
    }
    this.#send(to, bytes).then(
      () => report(callback, null, bytes.length),
      (error) => report(callback, error),
    );
  }

  async #send(to: { hostname: string; port: number }, bytes: Buffer): Promise<void> {
    await this.#opened;
    const hostname = formatIPv4(await resolveIPv4(to.hostname));
    const core = this.#core;
    if (this.#destroyed || core === undefined) {
      throw new ENetError("ENETJS_ERR_CLOSED", "host-destroyed");
    }
    if (this.#bridge !== undefined) return await this.#bridge.send(hostname, to.port, bytes);
    if (!core.sendDatagram({ hostname, port: to.port }, bytes)) {
      throw new ENetError("ENETJS_ERR_SOCKET", "The socket's send buffer is full");
    }
  }

  /**
   * The promise form of {@linkcode Host.send}.
   *
   * @param ip IPv4 address or host name
   * @param port where to, 1–65535
   * @param data what to send, at most 65,507 bytes
   * @returns a promise of the length
   */
  async sendAsync(ip: string, port: number, data: PacketData): Promise<number> {
    return await new Promise((resolve, reject) =>
      this.send(
        ip,
        port,
        data,
        (error, bytes) => error === null ? resolve(bytes as number) : reject(error),
      )
    );
  }

  /** Sends what is queued now, instead of at the end of this turn of the event loop. */
  flush(): void {
    if (!this.#destroyed) this.#core?.flush();
  }

  /**
   * Opens a connection. The host and the peer emit `connect` when it is established. The peer emits
   * `disconnect` when the attempt fails.
   *
   * @param address where to: IPv4 or host name, and port
   * @param channels channels to ask for, 1–255. Default 5
   * @param data a 32-bit value for the other side. Default 0
   * @param callback called once: with the peer when it is connected, else with an error, whose message
   *   is `failed`, `maxpeers` or `host-destroyed`
   * @returns the peer, which is connecting; undefined if the host is destroyed or has no place
   * @throws {TypeError} if an argument is of the wrong type, and for an IPv6 address
   * @throws {RangeError} if an argument is out of range
   */
  connect(
    address: AddressLike,
    channels?: number,
    data?: number,
    callback?: ConnectCallback,
  ): Peer | undefined {
    checkCallback(callback);
    const to = new Address(address);
    integer(to.port(), "port", 1, 65535);
    const count = integer(channels || 5, "channels", 1, 255);
    const value = dataOf(data);
    if (this.#destroyed) {
      report(callback, new ENetError("ENETJS_ERR_CLOSED", "host-destroyed"));
      return undefined;
    }
    this.#start();
    const where = { address: to.address(), port: to.port() };
    const peer = this.#register(peers.create(this.#forPeers, where, callback));
    this.#outgoing.add(peer);
    const ipv4 = parseIPv4(to.address());
    if (this.#core === undefined || this.#bridge !== undefined || ipv4 === undefined) {
      this.#connectLater(peer, where, count, value);
      return peer;
    }
    try {
      this.#attempt(this.#core, peer, ipv4, where.port, count, value);
      return peer;
    } catch (error) {
      this.#forPeers.forget(peer);
      setTimeout(() => peers.end(peer, 0, undefined, error));
      return undefined;
    }
  }

  async #connectLater(
    peer: Peer,
    { address, port }: AddressInfo,
    channels: number,
    data: number,
  ): Promise<void> {
    try {
      await this.#opened;
      const ipv4 = await resolveIPv4(address);
      const link = await this.#bridge?.linkTo(formatIPv4(ipv4), port);
      if (this.#core === undefined || !this.#knows(peer)) return;
      this.#attempt(
        this.#core,
        peer,
        link === undefined ? ipv4 : LOOPBACK,
        link ?? port,
        channels,
        data,
      );
    } catch (error) {
      peers.end(peer, 0, undefined, error);
    }
  }

  #attempt(
    core: CoreHost,
    peer: Peer,
    ipv4: number,
    port: number,
    channels: number,
    data: number,
  ): void {
    const connector = coreHosts.connectorOf(core);
    const where = `${formatIPv4(ipv4)}:${port}`;
    const connection = connector.begin(ipv4 || LOOPBACK, port, channels, data, where);
    this.#attach(peer, corePeers.of(connection));
    this.#filterPeer(peer);
    connector.established(connection).catch((error) => peers.end(peer, 0, undefined, error));
  }

  /**
   * The promise form of {@linkcode Host.connect}.
   *
   * @param address where to: IPv4 or host name, and port
   * @param channels channels to ask for, 1–255. Default 5
   * @param data a 32-bit value for the other side. Default 0
   * @returns a promise of the connected peer, which rejects with the error of the callback
   */
  connectAsync(address: AddressLike, channels?: number, data?: number): Promise<Peer> {
    return new Promise((resolve, reject) => {
      this.connect(
        address,
        channels,
        data,
        (error, peer) => error === undefined ? resolve(peer as Peer) : reject(error),
      );
    });
  }

  /** Has no effect: ENet adapts to the bandwidth limits by itself. @returns this host */
  throttleBandwidth(): this {
    return this;
  }

  /** Compresses datagrams with ENet's range coder; both sides must. @returns this host */
  enableCompression(): this {
    return this.#compress("range-coder");
  }

  /** Sends datagrams as they are. @returns this host */
  disableCompression(): this {
    return this.#compress("none");
  }

  #compress(compression: "none" | "range-coder"): this {
    this.#compression = compression;
    if (this.#core !== undefined && !this.#destroyed) this.#core.compression = compression;
    return this;
  }

  /** Sends and expects CRC32 checksums; both sides must. @returns this host */
  enableChecksum(): this {
    return this.#check("crc32");
  }

  /** Sends and expects no checksums. @returns this host */
  disableChecksum(): this {
    return this.#check("none");
  }

  #check(checksum: "none" | "crc32"): this {
    this.#checksum = checksum;
    if (this.#core !== undefined && !this.#destroyed) this.#core.checksum = checksum;
    return this;
  }

  /**
   * Sends a message to every connected peer.
   *
   * @param channel the channel, from 0; peers with fewer channels are left out
   * @param packet a packet, or text or bytes, which are sent reliably
   * @throws {TypeError} if `packet` is nothing that can be sent
   * @throws {RangeError} if `channel` is none, or the packet is too large
   */
  broadcast(channel: number, packet: Packet | PacketData): void {
    if (this.#destroyed) return;
    const message = packet instanceof Packet ? packet : new Packet(packet, PACKET_FLAG.RELIABLE);
    const bytes = packets.bytes(message);
    if (bytes === undefined) throw new ENetError("ENETJS_ERR_RELEASED", "null packet");
    this.#core?.broadcast(channel, bytes, packets.flags(message));
  }

  /** The peers that are connecting or connected. */
  peers(): Peer[] {
    return Object.values(this.connectedPeers);
  }

  static {
    inside = {
      create(plan) {
        const host = new Host(plan, creating);
        return { host, opened: host.#opened };
      },
    };
  }
}

export const hosts: HostInside = inside;
