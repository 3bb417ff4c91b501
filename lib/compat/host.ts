import type { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { MAXIMUM_DATAGRAM } from "../internal/native_transport.ts";
import { integer } from "../internal/validate.ts";
import { formatIPv4 } from "../internal/ip.ts";
import { resolveIPv4 } from "../internal/resolve.ts";
import { ENetError } from "../errors.ts";
import type { HostStats } from "../host_stats.ts";
import { checkCallback, emit, report } from "./_report.ts";
import { Address, type AddressInfo, type AddressLike } from "./address.ts";
import { Attempts } from "./attempts.ts";
import { Backing, type Endpoint, hostDestroyed } from "./backing.ts";
import { PACKET_FLAG } from "./constants.ts";
import { Dispatcher } from "./dispatcher.ts";
import { enlist } from "./filter.ts";
import type { HostPlan } from "./options.ts";
import { Packet, type PacketData, packets } from "./packet.ts";
import { type ConnectCallback, dataOf, type Peer, type PeerHost, peers } from "./peer.ts";
import { Roster } from "./roster.ts";

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
  readonly connectedPeers: Record<string, Peer>;
  readonly #roster = new Roster();
  /** This host as its peers see it. */
  readonly #forPeers: PeerHost = {
    isOffline: () => this.#destroyed,
    forget: (peer) => this.#roster.delete(peer),
  };
  readonly #leaveFilter: () => void;
  readonly #backing: Backing;
  readonly #opened: Promise<void>;
  readonly #dispatcher: Dispatcher;
  readonly #attempts: Attempts;
  #started = false;
  #running = false;
  #destroyed = false;

  private constructor(plan: HostPlan, key: symbol) {
    if (key !== creating) {
      throw new TypeError("A Host is made by createServer, createClient or createServerFromSocket");
    }
    super();
    this.setMaxListeners(0);
    this.connectedPeers = this.#roster.peers;
    this.#backing = new Backing(plan, {
      peers: () => this.peers(),
      failed: (error) => this.#fail(error),
      closed: () => this.destroy(),
    });
    this.#leaveFilter = enlist(this.#backing);
    this.#dispatcher = new Dispatcher(this, this.#forPeers, this.#backing, this.#roster);
    this.#attempts = new Attempts(this.#backing, this.#roster);
    // Datagrams that are not ENet's are reported only when the host has a listener for them.
    (this as EventEmitter).on("newListener", (name: unknown) => {
      if (name === "telex") this.#backing.watchDatagrams();
    });
    this.#opened = this.#backing.opened.then(() => {
      if (this.#started) void this.#run();
    });
  }

  /** Emits events from now on; until then they wait. */
  #start(): void {
    this.#started = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    const { core } = this.#backing;
    if (core === undefined || this.#running) return;
    this.#running = true;
    try {
      await this.#dispatcher.run(core);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#destroyed) return;
    emit(this, "error", error);
    this.destroy();
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
    const passed = this.#backing.close();
    for (const peer of this.peers()) peers.end(peer, 0, "local");
    if (passed === undefined) emit(this, "destroy");
    else void passed.then(() => emit(this, "destroy"));
  }

  /** Does what {@linkcode Host.destroy} does. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  /** The source of the last message or datagram emitted; undefined before that. */
  receivedAddress(): AddressInfo | undefined {
    return this.#destroyed ? undefined : this.#dispatcher.received;
  }

  /** The local address, or undefined while the host is being opened and once it is destroyed. */
  address(): (AddressInfo & { readonly family: "IPv4" }) | undefined {
    const address = this.#backing.address();
    return address && { ...address, family: "IPv4" };
  }

  /** What the host has done since it was created, or undefined as for {@linkcode Host.address}. */
  stats(): HostStats | undefined {
    return this.#backing.core?.stats;
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

  async #send({ hostname, port }: Endpoint, bytes: Buffer): Promise<void> {
    await this.#opened;
    await this.#backing.send({ hostname: formatIPv4(await resolveIPv4(hostname)), port }, bytes);
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
    this.#backing.core?.flush();
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
      report(callback, hostDestroyed());
      return undefined;
    }
    this.#start();
    const where = { address: to.address(), port: to.port() };
    const peer = this.#roster.add(peers.create(this.#forPeers, where, callback));
    try {
      this.#attempts.begin(peer, { to: where, channels: count, data: value });
      return peer;
    } catch (error) {
      this.#roster.delete(peer);
      setTimeout(() => peers.end(peer, 0, undefined, error));
      return undefined;
    }
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
    this.#backing.compression = "range-coder";
    return this;
  }

  /** Sends datagrams as they are. @returns this host */
  disableCompression(): this {
    this.#backing.compression = "none";
    return this;
  }

  /** Sends and expects CRC32 checksums; both sides must. @returns this host */
  enableChecksum(): this {
    this.#backing.checksum = "crc32";
    return this;
  }

  /** Sends and expects no checksums. @returns this host */
  disableChecksum(): this {
    this.#backing.checksum = "none";
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
    this.#backing.core?.broadcast(channel, bytes, packets.flags(message));
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
