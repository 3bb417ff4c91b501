import { CONFIG, HOST_STAT } from "../ffi/layout.ts";
import { Admission } from "./internal/admission.ts";
import { Connector } from "./internal/connect.ts";
import { Endpoint, Resources } from "./internal/endpoint.ts";
import { Inlet } from "./internal/inlet.ts";
import { count, makeInspectable } from "./internal/inspect.ts";
import { loadLibrary } from "./internal/library.ts";
import { Memory } from "./internal/memory.ts";
import { recipientsOf } from "./internal/recipients.ts";
import { validateTurnBudget } from "./internal/turn.ts";
import { handlers as checkHandlers, integer, options, U32 } from "./internal/validate.ts";
import {
  type Address,
  type AddressFilter,
  type AddressLike,
  compileFilter,
  filterAllows,
  formatIPv4,
  LOOPBACK,
  parseIPv4,
  resolveIPv4,
  validateAddress,
} from "./address.ts";
import { type Accept, validateAccept } from "./admission.ts";
import {
  ActiveConditions,
  type Conditions,
  type ConditionsPlan,
  NO_LINKS,
  planConditions,
  retireConditions,
} from "./conditions.ts";
import { type ConnectOptions, planConnect, planRetry } from "./connect.ts";
import { check, nativeError } from "./errors.ts";
import type { HostEvent, HostHandlers } from "./events.ts";
import { createGroup, type Group } from "./group.ts";
import { encodeLimits, type Limits, planLimits, type ResolvedLimits } from "./limits.ts";
import {
  checkHostData,
  effectiveHostData,
  HANDLERS,
  type HostOptions,
  type HostPlan,
  type ListenOptions,
  type NativeSettings,
  planHost,
  SETTINGS,
} from "./options.ts";
import { type Data, PacketFlag } from "./packet.ts";
import type { Peer } from "./peer.ts";

/**
 * What can be read and assigned on a live host; {@linkcode HostOptions} says more about each. Values are
 * checked like options: a wrong one is a {@linkcode TypeError} or {@linkcode RangeError} and changes nothing.
 * Assigning to a closed host throws `ENETJS_ERR_CLOSED`.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 *
 * await using host = await Host.listen({ hostname: "127.0.0.1" });
 * host.duplicatePeers = 4;
 * host.limits = { peer: { messages: { perSecond: 100 } } };
 * console.log(host.duplicatePeers, host.limits.peer.messages.burst); // 4 100
 * ```
 */
export interface HostSettings<PeerData = unknown> {
  /** Most channels of a connection that others open from now on. */
  channels: number;
  /** Downstream bandwidth in bytes per second, 0 for unlimited. */
  incomingBandwidth: number;
  /** Upstream bandwidth in bytes per second, 0 for unlimited. */
  outgoingBandwidth: number;
  /** Compression of datagrams. Both sides must change together. */
  compression: "none" | "range-coder";
  /** Checksum of datagrams. Both sides must change together. */
  checksum: "none" | "crc32";
  /** Largest datagram in bytes of connections that this host opens from now on. */
  mtu: number;
  /** Most peers of one IPv4 address; more that are connected stay. */
  duplicatePeers: number;
  /** Largest packet that is sent or received, in bytes. */
  maximumPacketSize: number;
  /** Received bytes of one peer that may wait for the program. */
  maximumWaitingData: number;
  /** Bytes for what all peers have sent and the program has not taken; 0 restores the default. */
  maximumHostData: number;
  /** The socket's receive buffer in bytes, as asked for; the system may grant less. */
  receiveBufferSize: number;
  /** The socket's send buffer in bytes, as asked for; the system may grant less. */
  sendBufferSize: number;
  /** Milliseconds of silence of this thread after which the pump services in its place. */
  stallLimitMs: number;
  /** Whether this thread stays awake for the next message. */
  spin: "never" | "auto" | "always";
  /** Milliseconds for which messages are handed out before timers and sockets get their turn. */
  turnBudgetMs: number;
  /** Bytes queued to one peer above which `send` returns false. */
  highWaterMark: number;
  /** Whether datagrams that are not ENet's are reported. */
  datagrams: boolean;
  /** Which addresses may talk to the host. What is read is frozen; assign an {@linkcode AddressFilter}. */
  filter: Readonly<Required<AddressFilter>>;
  /** How much may come from an address and from a peer. What is read is frozen; assign {@linkcode Limits}. */
  limits: ResolvedLimits;
  /** The simulated network, or null. What is read is frozen; assign {@linkcode Conditions} or null. */
  conditions: ActiveConditions | null;
  /** Decides who may connect from now on, of a host that listens; undefined: everybody may. */
  accept: Accept | undefined;
  /** The functions that take the events; undefined leaves them to iteration or `service`. */
  handlers: HostHandlers<PeerData> | undefined;
}

/** Options of `host.broadcast`. Peers that have ended are left out. */
export interface BroadcastOptions {
  /** A peer, or several, that alone get the message. Default all connected ones. */
  to?: Peer | Iterable<Peer>;
  /** A peer, or several, that do not get the message. Default none. */
  except?: Peer | Iterable<Peer>;
}

/** Options of `host.close`. */
export interface CloseOptions {
  /** Milliseconds to wait for queues to drain and peers to acknowledge. Default 1000. */
  graceMs?: number;
  /** A 32-bit value that the other sides read with their disconnect events. Default 0. */
  data?: number;
  /** The reason, for this program: promises that are pending then reject with an error whose `cause` it is. */
  reason?: unknown;
}

/** What a closed host has not delivered: messages that were queued and not acknowledged when `graceMs` was over. */
export interface Undelivered {
  /** Bytes of these messages. */
  readonly bytes: number;
  /** Messages. */
  readonly messages: number;
  /** Peers that they were for. */
  readonly peers: number;
}

/** Attempts to connect that a host has refused, by cause. The client is told, see {@linkcode DisconnectCode}. */
export interface RefusalStats {
  /** Every peer was in use, memory was short, or the host was being closed. */
  readonly full: number;
  /** The filter denies the address, where `filter.refuse` is true. */
  readonly filter: number;
  /** The program has refused it by `accept`. */
  readonly accept: number;
  /** `accept` has not decided in time, or failed. */
  readonly undecided: number;
  /** The address had as many peers as `duplicatePeers` allows. */
  readonly duplicate: number;
}

/** What a host has done since it was created. */
export interface HostStats {
  /** Bytes sent in datagrams. */
  readonly totalSentData: number;
  /** Datagrams sent. */
  readonly totalSentPackets: number;
  /** Bytes received in datagrams. */
  readonly totalReceivedData: number;
  /** Datagrams received. */
  readonly totalReceivedPackets: number;
  /** Peers connected now. */
  readonly connectedPeers: number;
  /** Events that wait in native memory now, because the ring was full or this thread busy. */
  readonly heldEvents: number;
  /** How often the ring or the arena was full. */
  readonly backPressure: number;
  /** How often the pump has woken this thread. */
  readonly wakeUps: number;
  /** How often the pump has serviced the protocol because this thread was busy. */
  readonly pumpServices: number;
  /** Datagrams dropped by the address filter. */
  readonly filtered: number;
  /** Datagrams that were not ENet's, where these are reported. */
  readonly datagrams: number;
  /** Errors of the socket about single datagrams. */
  readonly socketErrors: number;
  /** Connections that wait for the client's acknowledgement now. They take no peer. */
  readonly halfOpen: number;
  /** Attempts to connect that this host has answered with a refusal. */
  readonly refused: RefusalStats;
  /** Datagrams that name a half-open connection by its id, with a wrong session or sequence number. */
  readonly badHandshakes: number;
  /** Requests to connect dropped by `limits.address.connects`. */
  readonly limitedConnects: number;
  /** Datagrams dropped by `limits.address.datagrams`. */
  readonly limitedDatagrams: number;
  /** Bytes of the datagrams dropped by `limits.address.bytes`. */
  readonly limitedBytes: number;
  /** Messages refused by `limits.peer.messages`; each time that one is retransmitted counts. */
  readonly limitedMessages: number;
  /** Bytes of the messages refused by `limits.peer.bytes`; each time that one is retransmitted counts. */
  readonly limitedMessageBytes: number;
  /** Connections that ended with the reason `"limit"`. */
  readonly limitedPeers: number;
  /** Bytes that count towards `maximumHostData` now. */
  readonly hostData: number;
  /** Datagrams of which a memory or work limit dropped all or a part; reliable data is sent again. */
  readonly overBudget: number;
}

/** An attempt to connect, with its peer. */
export interface Attempt {
  /** The peer, which is connecting. */
  readonly peer: Peer;
  /** Settles as the promise of {@linkcode Host.connect} does. */
  readonly established: Promise<Peer>;
}

/** Begins to connect to an IPv4 address in host byte order, for as long as ENet tries. */
export let beginConnection: (
  host: Host,
  ipv4: number,
  port: number,
  channels: number,
  data: number,
) => Attempt;
/** The internal object of a host. */
export let endpointOf: (host: Host) => Endpoint;

/** Closes hosts that were dropped without being closed. */
const registry = new FinalizationRegistry<Resources>((resources) => resources.close());

/**
 * An ENet host: a UDP socket, its peers and their events.
 *
 * There are three ways to receive events: {@linkcode Host.handlers}, `for await (const event of host)`, and
 * {@linkcode Host.service} for a program that owns its tick. Beside any of them, `for await (const message of
 * peer)` takes one peer's messages.
 *
 * {@linkcode HostSettings} lists what can be changed while the host is open: `host.duplicatePeers = 4`.
 *
 * A host keeps the process alive until it is closed, unless {@linkcode Host.unref} is called. The garbage
 * collector may collect, and so close, a host without handlers that nothing refers to.
 *
 * @example An echo server
 * ```ts
 * import { Host } from "@enetjs/enet";
 *
 * await using server = await Host.listen({ port: 0, peers: 64 });
 * console.log("listening on", server.address.port);
 * setTimeout(() => server.close(), 100);
 * for await (const event of server) {
 *   if (event.type === "receive") event.peer.send(event.channelId, event.packet);
 * }
 * ```
 */
export class Host<PeerData = unknown>
  implements
    AsyncIterable<HostEvent<PeerData>>,
    AsyncDisposable,
    Disposable,
    HostSettings<PeerData> {
  readonly #endpoint: Endpoint;
  readonly #inlet: Inlet;
  readonly #connector: Connector;
  readonly #admission: Admission;
  /** Whether others can connect to it. */
  readonly #listens: boolean;
  #incomingBandwidth: number;
  #outgoingBandwidth: number;
  #filter!: Readonly<Required<AddressFilter>>;
  #limits!: ResolvedLimits;
  #conditions: ActiveConditions | null = null;
  #closing: Promise<Undelivered> | undefined;
  /** Ends the wait of a close under way after a time, if that is sooner. */
  #shorten: ((graceMs: number) => void) | undefined;
  #undelivered: Undelivered = { bytes: 0, messages: 0, peers: 0 };
  /** What a closed host still tells. */
  #last: { readonly address: Address; readonly stats: HostStats } | undefined;

  private constructor(endpoint: Endpoint, inlet: Inlet, plan: HostPlan) {
    if (endpoint === undefined) {
      throw new TypeError(
        "A Host is made by Host.listen or Host.create, which return promises of it",
      );
    }
    this.#endpoint = endpoint;
    this.#inlet = inlet;
    this.#listens = plan.bind !== undefined;
    endpoint.host = this;
    this.#connector = new Connector(
      endpoint,
      inlet,
      (ipv4) => filterAllows(this.#filter)(ipv4),
      plan.config[CONFIG.PEERS],
    );
    this.#incomingBandwidth = plan.incomingBandwidth;
    this.#outgoingBandwidth = plan.outgoingBandwidth;
    this.filter = plan.filter;
    this.limits = plan.limits;
    if (plan.conditions !== null) this.#setConditions(plan.conditions);
    this.#admission = new Admission(endpoint, plan.accept);
    inlet.onAttempt = (question, attempt, ageMs) => this.#admission.add(question, attempt, ageMs);
    inlet.decide = (spent) => this.#admission.decide(spent);
    inlet.onFailure = () => this.#destroy();
    // A misspelt setting is a TypeError in place of a property that nobody reads.
    Object.preventExtensions(this);
  }

  /**
   * Creates a host that others can connect to.
   *
   * @param options where to listen, and everything of {@linkcode HostOptions}
   * @param handlers functions to call as things happen; without them the host is iterated or serviced
   * @returns the listening host
   * @throws {TypeError} for an unknown option or one of the wrong type, and for an IPv6 address
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_ADDRESS_IN_USE`, `ENETJS_ERR_ADDRESS_UNAVAILABLE`,
   *   `ENETJS_ERR_PERMISSION`, `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_LIMIT`, `ENETJS_ERR_MEMORY`,
   *   `ENETJS_ERR_THREAD`, `ENETJS_ERR_LIBRARY`, `ENETJS_ERR_ABI`, `ENETJS_ERR_LIBENET`,
   *   `ENETJS_ERR_UNGUARDED` where nothing protects the host, unless `unguarded` is true
   */
  static async listen<PeerData = unknown>(
    options: ListenOptions = {},
    handlers?: HostHandlers<PeerData>,
  ): Promise<Host<PeerData>> {
    return await Host.#open(planHost(options, true), handlers);
  }

  /**
   * Creates a host that only connects to others; others cannot connect to it.
   *
   * @param options limits and settings
   * @param handlers functions to call as things happen; without them the host is iterated or serviced
   * @returns the host
   * @throws {TypeError} for an unknown option or one of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} as for {@linkcode Host.listen}, without `ENETJS_ERR_UNGUARDED`
   */
  static async create<PeerData = unknown>(
    options: HostOptions = {},
    handlers?: HostHandlers<PeerData>,
  ): Promise<Host<PeerData>> {
    return await Host.#open(planHost(options, false), handlers);
  }

  static async #open<PeerData>(
    plan: HostPlan,
    handlers: HostHandlers<PeerData> | undefined,
  ): Promise<Host<PeerData>> {
    checkHandlers(handlers, HANDLERS);
    const library = await loadLibrary();
    const { native, runtime } = library;
    const { bind, config } = plan;
    Resources.closeOnReload(runtime);
    config[CONFIG.ADDRESS] = bind === undefined ? -1 : await resolveIPv4(bind.hostname);
    config[CONFIG.PORT] = bind?.port ?? 0;
    const memory = new Memory(plan.sizes, runtime.copiesUpTo, library.debug);
    const handle = check(
      native.enetjs_host_create(
        new Uint8Array(config.buffer),
        config.byteLength,
        memory.block,
        memory.block.length,
        memory.arena,
        memory.arena.length,
      ),
      bind === undefined ? "Creating a host" : `Listening on ${bind.hostname}:${bind.port}`,
    );
    const resources = new Resources(native, handle);
    const endpoint = new Endpoint(library, resources, memory, plan);
    const inlet = new Inlet(endpoint, handlers);
    registry.register(endpoint, resources, resources);
    try {
      // First, so that no datagram comes in before the filter is in place.
      const host = new Host<PeerData>(endpoint, inlet, plan);
      if (plan.pump) {
        const fd = check(native.enetjs_host_start(handle), "Starting a host");
        resources.wake = await runtime.attach(fd, wakeUp(inlet));
      }
      return host;
    } catch (error) {
      resources.close();
      registry.unregister(resources);
      throw error;
    }
  }

  /**
   * Opens a connection.
   *
   * With {@linkcode ConnectOptions.retry}, an attempt that failed is followed by another. This ends when an
   * attempt succeeds, `signal` aborts, the host closes, or an error is final; see
   * {@linkcode RetryOptions.when}.
   *
   * @param address where to, as `{ hostname, port }` or `"hostname:port"`; the runtime resolves a host name
   *   to IPv4 for each attempt
   * @param options channels, data, how long to wait, and whether to go on trying
   * @returns the connected peer
   * @throws {TypeError} for an address or option of the wrong type, and for an IPv6 address
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_TIMEOUT` when there is no answer in time, `ENETJS_ERR_REFUSED` when
   *   the other side ends the attempt, with its number in `error.data`, `ENETJS_ERR_PEERS_EXHAUSTED`,
   *   `ENETJS_ERR_MEMORY`, `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_CLOSED`; or the reason of the signal
   */
  async connect(address: AddressLike, options: ConnectOptions = {}): Promise<Peer<PeerData>> {
    const to = validateAddress(address, 1);
    return await this.#connector.connect(to, planConnect(options)) as Peer<PeerData>;
  }

  /**
   * Connects again each time a connection has ended, and yields a peer for each connection. Before each comes
   * a wait, see {@linkcode RetryOptions}. The waits start again at `minimumMs` after a connection that lasted
   * longer than the wait before it.
   *
   * The iteration ends when `signal` aborts, which disconnects the current peer, and when the host closes. It
   * throws a final error, see {@linkcode RetryOptions.when}. Leaving the loop disconnects the peer after
   * everything queued has been delivered.
   *
   * @param address as for {@linkcode Host.connect}
   * @param options as for {@linkcode Host.connect}; `retry` need not be given
   * @returns the connected peers
   * @throws {TypeError} for an address or option of the wrong type, and for an IPv6 address
   * @throws {RangeError} for a value out of range
   *
   * @example
   * ```ts
   * import { Host } from "@enetjs/enet";
   *
   * await using server = await Host.listen({ hostname: "127.0.0.1" }, {
   *   connect: (peer) => void peer.disconnectLater(),
   * });
   * await using client = await Host.create();
   * const end = new AbortController();
   * let count = 0;
   * const retry = { minimumMs: 10 };
   * for await (const peer of client.sessions(server.address, { retry, signal: end.signal })) {
   *   for await (const { packet } of peer) console.log(packet.text());
   *   if (++count === 3) end.abort(); // Three times connected, three times disconnected.
   * }
   * ```
   */
  sessions(
    address: AddressLike,
    options: ConnectOptions = {},
  ): AsyncIterableIterator<Peer<PeerData>> {
    const to = validateAddress(address, 1);
    const plan = planConnect(options);
    const retry = plan.retry ?? planRetry({});
    const sessions = this.#connector.sessions(to, { ...plan, retry });
    return sessions as AsyncIterableIterator<Peer<PeerData>>;
  }

  /**
   * Queues a message to every connected peer, or to some of them; they share one copy of the bytes.
   *
   * @param channelId the channel, 0–254; peers with fewer channels are left out
   * @param data as for `peer.send`
   * @param flags how it is sent. Default reliable
   * @param options which peers get it. Default every peer
   * @returns how many peers it was queued to; 0 once the host is closed
   * @throws {TypeError} if `data` is nothing that can be sent, or the options have a peer of another host
   * @throws {RangeError} if the channel, the flags or the size are out of range
   * @throws {ENetError} `ENETJS_ERR_MEMORY`
   */
  broadcast(
    channelId: number,
    data: Data,
    flags: PacketFlag = PacketFlag.RELIABLE,
    options?: BroadcastOptions,
  ): number {
    const { peers, bytes, mode } = recipientsOf(options, this.#endpoint);
    return this.#endpoint.broadcast(channelId, flags, data, peers, bytes, mode);
  }

  /**
   * Makes an empty group, for messages to all of its members.
   *
   * @returns the group
   */
  group(): Group<PeerData> {
    return createGroup(this.#endpoint);
  }

  /**
   * Sends what is queued now, instead of at the end of this turn of the event loop. Does nothing when the
   * host is closed.
   */
  flush(): void {
    if (!this.closed) this.#endpoint.flush();
  }

  /**
   * Services the host by hand: takes what has arrived, sends what is queued, and returns one event.
   * Call it until it returns null. The bytes of a receive event are borrowed until the next call.
   *
   * A host with handlers gives them the events that have arrived, and returns null. After
   * {@linkcode Host.turnBudgetMs} it leaves the others for the next call.
   *
   * @param timeoutMs milliseconds to wait for an event, blocking this thread; 0 never waits.
   * @returns an event, or null when there is none
   * @throws {TypeError} while the host is being iterated over, and within a handler of the host
   * @throws {RangeError} if `timeoutMs` is out of range
   * @throws {ENetError} `ENETJS_ERR_SOCKET`
   */
  service(timeoutMs: number = 0): HostEvent<PeerData> | null {
    integer(timeoutMs, "timeoutMs", 0, 2 ** 31 - 1);
    if (this.closed && this.#inlet.handlers !== undefined) return null;
    if (this.#inlet.handlers === undefined) {
      return (this.#inlet.poll(timeoutMs) ?? null) as HostEvent<PeerData> | null;
    }
    this.#inlet.service(timeoutMs);
    return null;
  }

  /**
   * The host's events, until it is closed. A packet is borrowed until the next iteration.
   *
   * Iteration ends when the host is closed, and throws `ENETJS_ERR_SOCKET` when its socket fails.
   *
   * @throws {TypeError} if this host is being iterated over already, or has handlers
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<HostEvent<PeerData>> {
    return this.#inlet.iterate() as AsyncIterableIterator<HostEvent<PeerData>>;
  }

  /**
   * The functions that the host calls as events happen: one object, replaced as a whole. They can be set at
   * any time, also by a handler; the next event goes to the new ones. With `undefined` the host is iterated
   * over or serviced.
   *
   * Events that wait when handlers are set go to these first, in their order. Without a `receive` handler,
   * messages continue to wait.
   *
   * @throws {TypeError} for an unknown handler or one that is no function, and for handlers while the host is
   *   being iterated over
   * @throws {ENetError} `ENETJS_ERR_CLOSED`
   */
  get handlers(): HostHandlers<PeerData> | undefined {
    return this.#inlet.handlers;
  }
  set handlers(handlers: HostHandlers<PeerData> | undefined) {
    checkHandlers(handlers, HANDLERS);
    this.#requireOpen("Setting the handlers");
    this.#inlet.handlers = handlers;
  }

  /**
   * Sends a raw datagram from the host's socket.
   *
   * @param address where to, as `{ hostname, port }` or `"hostname:port"`; the host must be an IPv4
   *   address
   * @param data at most 65,507 bytes
   * @returns false when nothing was sent, because the socket's buffer is full or the host is closed
   * @throws {TypeError} if the address or the data are of the wrong type
   * @throws {RangeError} if the port or the size are out of range
   * @throws {ENetError} `ENETJS_ERR_PERMISSION`, `ENETJS_ERR_TOO_LARGE`, `ENETJS_ERR_SOCKET`
   */
  sendDatagram(address: AddressLike, data: Data): boolean {
    const { hostname, port } = validateAddress(address, 1);
    const ipv4 = parseIPv4(hostname);
    if (ipv4 === undefined) {
      throw new TypeError(
        `address.hostname must be an IPv4 address here, not "${hostname}": resolve it first`,
      );
    }
    return this.#endpoint.sendDatagram(
      ipv4,
      port,
      data,
      `Sending a datagram to ${hostname}:${port}`,
    );
  }

  /**
   * The local address, also after the host is closed. A host that only connects has port 0 before it first
   * sends.
   */
  get address(): Address {
    if (this.#last !== undefined) return { ...this.#last.address };
    const { native, handle } = this.#endpoint;
    const address = check(native.enetjs_host_address(handle), "Reading the address");
    return { hostname: formatIPv4(Math.floor(address / 65536)), port: address % 65536 };
  }

  /** The connected peers whose connect events the program has taken. */
  get peers(): Peer<PeerData>[] {
    return this.#inlet.connected.map(({ peer }) => peer as Peer<PeerData>);
  }

  /** Counters of the host since it was created; after it is closed, their last values. */
  get stats(): HostStats {
    if (this.#last !== undefined) return { ...this.#last.stats };
    const { native, handle, stats } = this.#endpoint;
    check(native.enetjs_host_stats(handle), "Reading statistics");
    return {
      totalSentData: stats[HOST_STAT.SENT_DATA],
      totalSentPackets: stats[HOST_STAT.SENT_PACKETS],
      totalReceivedData: stats[HOST_STAT.RECEIVED_DATA],
      totalReceivedPackets: stats[HOST_STAT.RECEIVED_PACKETS],
      connectedPeers: stats[HOST_STAT.CONNECTED_PEERS],
      heldEvents: stats[HOST_STAT.HELD_RECORDS],
      backPressure: stats[HOST_STAT.BACK_PRESSURE],
      wakeUps: stats[HOST_STAT.WAKE_UPS],
      pumpServices: stats[HOST_STAT.PUMP_SERVICES],
      filtered: stats[HOST_STAT.FILTERED],
      datagrams: stats[HOST_STAT.DATAGRAMS],
      socketErrors: stats[HOST_STAT.SOCKET_ERRORS],
      halfOpen: stats[HOST_STAT.HALF_OPEN],
      refused: {
        full: stats[HOST_STAT.REFUSED_FULL],
        filter: stats[HOST_STAT.REFUSED_FILTER],
        accept: stats[HOST_STAT.REFUSED_ACCEPT],
        undecided: stats[HOST_STAT.REFUSED_UNDECIDED],
        duplicate: stats[HOST_STAT.REFUSED_DUPLICATE],
      },
      badHandshakes: stats[HOST_STAT.BAD_HANDSHAKE],
      limitedConnects: stats[HOST_STAT.LIMITED_CONNECTS],
      limitedDatagrams: stats[HOST_STAT.LIMITED_DATAGRAMS],
      limitedBytes: stats[HOST_STAT.LIMITED_BYTES],
      limitedMessages: stats[HOST_STAT.LIMITED_MESSAGES],
      limitedMessageBytes: stats[HOST_STAT.LIMITED_MESSAGE_BYTES],
      limitedPeers: stats[HOST_STAT.LIMITED_PEERS],
      hostData: stats[HOST_STAT.DATA],
      overBudget: stats[HOST_STAT.OVER_BUDGET],
    };
  }

  /** Whether the host is closed. */
  get closed(): boolean {
    return !this.#endpoint.resources.open;
  }

  // Settings that can be changed at any time; the same checks and errors as at creation, and
  // ENETJS_ERR_CLOSED.

  /** Downstream bandwidth in bytes per second, 0 for unlimited. */
  get incomingBandwidth(): number {
    return this.#incomingBandwidth;
  }
  set incomingBandwidth(value: number) {
    this.#setBandwidth(integer(value, "incomingBandwidth", 0, U32), this.#outgoingBandwidth);
  }

  /** Upstream bandwidth in bytes per second, 0 for unlimited. */
  get outgoingBandwidth(): number {
    return this.#outgoingBandwidth;
  }
  set outgoingBandwidth(value: number) {
    this.#setBandwidth(this.#incomingBandwidth, integer(value, "outgoingBandwidth", 0, U32));
  }

  /** Most channels of a connection that others open from now on. */
  get channels(): number {
    return this.#endpoint.settings.channels;
  }
  set channels(value: number) {
    this.#set("channels", value);
  }

  /** Compression of datagrams. Both sides must change together. */
  get compression(): "none" | "range-coder" {
    return this.#endpoint.settings.compression;
  }
  set compression(value: "none" | "range-coder") {
    this.#set("compression", value);
  }

  /** Checksum of datagrams. Both sides must change together. */
  get checksum(): "none" | "crc32" {
    return this.#endpoint.settings.checksum;
  }
  set checksum(value: "none" | "crc32") {
    this.#set("checksum", value);
  }

  /** Largest datagram in bytes of connections that this host opens from now on. */
  get mtu(): number {
    return this.#endpoint.settings.mtu;
  }
  set mtu(value: number) {
    this.#set("mtu", value);
  }

  /** Most peers of one IPv4 address. */
  get duplicatePeers(): number {
    return this.#endpoint.settings.duplicatePeers;
  }
  set duplicatePeers(value: number) {
    this.#set("duplicatePeers", value);
  }

  /** Largest packet that is sent or received, in bytes. */
  get maximumPacketSize(): number {
    return this.#endpoint.settings.maximumPacketSize;
  }
  set maximumPacketSize(value: number) {
    this.#set("maximumPacketSize", value);
  }

  /**
   * Bytes for what all peers have sent and the program has not taken, at least `maximumWaitingData` + `maximumPacketSize`.
   * 0 restores the default, which depends on the other two. What is read is the number of bytes in force.
   */
  get maximumHostData(): number {
    return effectiveHostData(this.#endpoint.settings);
  }
  set maximumHostData(value: number) {
    this.#set("maximumHostData", value);
  }

  /** Bytes of one peer that may wait to be consumed. */
  get maximumWaitingData(): number {
    return this.#endpoint.settings.maximumWaitingData;
  }
  set maximumWaitingData(value: number) {
    this.#set("maximumWaitingData", value);
  }

  /** The socket's receive buffer in bytes, as asked for; the system may grant less. */
  get receiveBufferSize(): number {
    return this.#endpoint.settings.receiveBufferSize;
  }
  set receiveBufferSize(value: number) {
    this.#set("receiveBufferSize", value);
  }

  /** The socket's send buffer in bytes, as asked for; the system may grant less. */
  get sendBufferSize(): number {
    return this.#endpoint.settings.sendBufferSize;
  }
  set sendBufferSize(value: number) {
    this.#set("sendBufferSize", value);
  }

  /** Milliseconds of silence of this thread after which the pump services in its place. */
  get stallLimitMs(): number {
    return this.#endpoint.settings.stallLimitMs;
  }
  set stallLimitMs(value: number) {
    this.#set("stallLimitMs", value);
  }

  /** Whether this thread stays awake for the next message. */
  get spin(): "never" | "auto" | "always" {
    return this.#endpoint.settings.spin;
  }
  set spin(value: "never" | "auto" | "always") {
    this.#set("spin", value);
  }

  /** Milliseconds for which messages are handed out before timers and sockets get their turn. */
  get turnBudgetMs(): number {
    return this.#endpoint.turnBudgetMs;
  }
  set turnBudgetMs(value: number) {
    const budget = validateTurnBudget(value);
    this.#requireOpen("Setting turnBudgetMs");
    this.#endpoint.turnBudgetMs = budget;
  }

  /** Bytes queued to one peer above which `send` returns false. */
  get highWaterMark(): number {
    return this.#endpoint.settings.highWaterMark;
  }
  set highWaterMark(value: number) {
    this.#set("highWaterMark", value);
  }

  /** Whether datagrams that are not ENet's are reported. */
  get datagrams(): boolean {
    return this.#endpoint.settings.datagrams;
  }
  set datagrams(value: boolean) {
    this.#set("datagrams", value);
  }

  /**
   * Which addresses may talk to the host. Native code applies it before ENet sees a datagram. A connected
   * peer that is denied times out.
   */
  get filter(): Readonly<Required<AddressFilter>> {
    return this.#filter;
  }
  set filter(filter: AddressFilter) {
    const { bytes, size } = compileFilter(filter);
    this.#requireOpen("Setting the filter");
    const { native, handle } = this.#endpoint;
    check(native.enetjs_host_set_filter(handle, bytes, size), "Setting the filter");
    const { allow = [], deny = [], refuse = false } = filter;
    const option = CONFIG.FILTER_REFUSES;
    check(native.enetjs_host_set(handle, option, Number(refuse), 0), "Setting the filter");
    this.#filter = Object.freeze({
      allow: Object.freeze([...allow]),
      deny: Object.freeze([...deny]),
      refuse,
    });
  }

  /**
   * How much may come from an address and from a peer; see {@linkcode Limits}. A limit that is absent from an
   * assigned object gets its default. Accounts keep what they have used. What is read is frozen: assign a
   * whole object, `host.limits = { ...host.limits, peer: { … } }`.
   */
  get limits(): ResolvedLimits {
    return this.#limits;
  }
  set limits(limits: Limits) {
    const plan = planLimits(limits);
    const encoded = encodeLimits(plan);
    this.#requireOpen("Setting the limits");
    const { native, handle } = this.#endpoint;
    const disconnects = Number(plan.peer.excess === "disconnect");
    check(
      native.enetjs_host_set_limits(handle, encoded, encoded.length, disconnects),
      "Setting the limits",
    );
    this.#limits = plan;
  }

  /**
   * The simulated network between this host and its socket, or null; see {@linkcode Conditions}. It can be
   * assigned at any time, as a whole. The random decisions and the counters start anew then. What is under
   * way arrives when it would have; after null, it arrives at once.
   *
   * @throws {TypeError} for an unknown condition or one of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_CLOSED`; `ENETJS_ERR_UNGUARDED` where libenet's calls do not reach this library
   */
  get conditions(): ActiveConditions | null {
    return this.#conditions;
  }
  set conditions(conditions: Conditions | null) {
    const plan = planConditions(conditions);
    this.#requireOpen("Setting the conditions");
    this.#setConditions(plan);
  }

  #setConditions(plan: ConditionsPlan | null): void {
    const { native, handle } = this.#endpoint;
    const last = this.#conditions?.stats;
    const { links, seed } = plan ?? { links: NO_LINKS, seed: 0 };
    const bytes = plan === null ? 0 : links.length;
    check(native.enetjs_host_set_conditions(handle, links, bytes, seed), "Setting the conditions");
    if (this.#conditions !== null) retireConditions(this.#conditions, last!);
    this.#conditions = plan === null ? null : new ActiveConditions(plan.given, {
      blackout: (ms) => void check(native.enetjs_host_blackout(handle, ms), "Beginning a blackout"),
      fates: (out) =>
        void check(native.enetjs_host_fates(handle, out, out.length), "Reading the conditions"),
    });
  }

  /**
   * Decides which clients may connect; see `ListenOptions.accept`. With undefined, every client may. An
   * attempt that is being decided stays with the function that was called for it.
   *
   * @throws {TypeError} when set on a host of `Host.create`, to which nobody can connect
   * @throws {ENetError} when set, `ENETJS_ERR_UNGUARDED` where nothing protects the host; `ENETJS_ERR_CLOSED`
   */
  get accept(): Accept | undefined {
    return this.#admission.accept;
  }
  set accept(accept: Accept | undefined) {
    const checked = validateAccept(accept);
    if (checked !== undefined && !this.#listens) {
      throw new TypeError(
        "accept is for a host that others can connect to: this one was made by Host.create, so use Host.listen",
      );
    }
    this.#requireOpen("Setting accept");
    const { native, handle } = this.#endpoint;
    const asks = Number(checked !== undefined);
    check(native.enetjs_host_set(handle, CONFIG.ACCEPT, asks, 0), "Setting accept");
    this.#admission.accept = checked;
  }

  /** Keeps the process alive while the host is open, which is the default. */
  ref(): void {
    this.#endpoint.resources.wake?.ref();
  }

  /** Lets the process end although the host is open. */
  unref(): void {
    this.#endpoint.resources.wake?.unref();
  }

  /**
   * Closes the host: disconnects every peer after its queue has drained, waits for the acknowledgements, then
   * frees everything. This includes peers whose connect event the program has not taken. The promise of an
   * attempt to connect that is under way rejects at once.
   *
   * The host reports nothing more but one disconnect event for each connect event that the program has had. A
   * further call returns the same promise; its `graceMs` shortens the wait where less of it is left.
   *
   * @param options how long to wait, and what the other sides read
   * @returns a promise that resolves when the host is closed, with what it could not deliver
   * @throws {TypeError} for an unknown option
   * @throws {RangeError} if `graceMs` or `data` is out of range
   */
  close(options: CloseOptions = {}): Promise<Undelivered> {
    const { graceMs, data, reason } = validateCloseOptions(options);
    if (this.#closing === undefined) {
      this.#endpoint.closeReason = reason;
      this.#closing = this.#close(graceMs, data);
    } else if (graceMs === 0) {
      this.#destroy();
    } else {
      this.#shorten?.(graceMs);
    }
    return this.#closing;
  }

  async #close(graceMs: number, data: number): Promise<Undelivered> {
    if (this.closed) return this.#undelivered;
    this.#connector.end();
    const { native, handle } = this.#endpoint;
    const { shutdown, live } = this.#inlet;
    this.#endpoint.closing = true;
    this.#inlet.closeData = data;
    for (const connection of live) {
      connection.leave();
      if (!connection.established) connection.close({ reason: "local", data });
    }
    this.#inlet.silence();
    if (native.enetjs_host_shutdown(handle, data) === 1 && graceMs > 0) {
      this.#endpoint.change();
      await this.#atMost(graceMs, shutdown.promise);
    }
    this.#destroy();
    return this.#undelivered;
  }

  /** Waits for a promise, servicing meanwhile where there is no pump. */
  async #atMost(graceMs: number, promise: Promise<unknown>): Promise<void> {
    const over = Promise.withResolvers<void>();
    let end = Infinity;
    let timer: ReturnType<typeof setTimeout> | undefined;
    this.#shorten = (ms) => {
      if (performance.now() + ms >= end) return;
      end = performance.now() + ms;
      clearTimeout(timer);
      timer = setTimeout(over.resolve, ms);
    };
    this.#shorten(graceMs);
    const ticker = this.#endpoint.pump ? undefined : setInterval(() => this.#inlet.service(0), 1);
    try {
      await Promise.race([promise, over.promise]);
    } finally {
      this.#shorten = undefined;
      clearTimeout(timer);
      clearInterval(ticker);
    }
  }

  /**
   * Closes the host at once, with one notice to every peer, which may be lost. The library sends the same
   * notices when a host is garbage-collected, when its Worker ends, and when the process exits. It sends none
   * when a signal or a crash ends the process.
   */
  [Symbol.dispose](): void {
    this.#destroy();
  }

  /** Closes the host as {@linkcode Host.close} does without options. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #destroy(): void {
    const { resources, stats } = this.#endpoint;
    this.#endpoint.closing = true;
    if (resources.open) this.#inlet.learnEnds();
    if (!resources.open) return;
    this.#last = { address: this.address, stats: { ...this.stats, connectedPeers: 0 } };
    if (this.#conditions !== null) retireConditions(this.#conditions, this.#conditions.stats);
    this.#connector.end();
    this.#inlet.releaseBorrowed();
    resources.close();
    registry.unregister(resources);
    this.#undelivered = {
      bytes: stats[HOST_STAT.UNDELIVERED_BYTES],
      messages: stats[HOST_STAT.UNDELIVERED_MESSAGES],
      peers: stats[HOST_STAT.UNDELIVERED_PEERS],
    };
    this.#inlet.close();
    this.#endpoint.memory.recycle();
  }

  #requireOpen(what: string): void {
    this.#endpoint.requireOpen(what);
  }

  #describe(): string {
    if (this.closed) return "closed";
    const { hostname, port } = this.address;
    const peers = count(this.stats.connectedPeers, "connected peer");
    return `${hostname}:${port}, ${peers}${this.#closing === undefined ? "" : ", closing"}`;
  }

  // What the rest of the library may do, and users may not.
  static {
    makeInspectable(this.prototype, "Host", (host) => host.#describe());
    beginConnection = (host, ipv4, port, channels, data) => {
      const where = `${formatIPv4(ipv4)}:${port}`;
      const connector = host.#connector;
      const connection = connector.begin(ipv4 || LOOPBACK, port, channels, data, where);
      const established = connector.established(connection);
      return { peer: connection.peer, established };
    };
    endpointOf = (host) => host.#endpoint;
  }

  #set<K extends keyof NativeSettings>(name: K, value: NativeSettings[K]): void {
    const setting = SETTINGS[name];
    const encoded = setting.encode(value, name);
    const { native, handle, settings } = this.#endpoint;
    checkHostData({ ...settings, [name]: value });
    this.#requireOpen(`Setting ${name}`);
    const result = native.enetjs_host_set(handle, setting.option, encoded, 0);
    if (result < 0) throw nativeError(result, `Setting ${name} to ${value}`);
    settings[name] = value;
  }

  #setBandwidth(incoming: number, outgoing: number): void {
    const { native, handle } = this.#endpoint;
    check(
      native.enetjs_host_set(handle, CONFIG.INCOMING_BANDWIDTH, incoming, outgoing),
      "Setting the bandwidth",
    );
    this.#incomingBandwidth = incoming;
    this.#outgoingBandwidth = outgoing;
  }
}

/** What the wake-up calls; it must not keep the host from being collected. */
function wakeUp(inlet: Inlet): () => void {
  const weak = new WeakRef(inlet);
  return () => {
    const live = weak.deref();
    if (live?.endpoint.resources.open) live.wake();
  };
}

function validateCloseOptions(given: CloseOptions) {
  options(given, "options", ["graceMs", "data", "reason"]);
  const { graceMs = 1000, data = 0, reason } = given;
  integer(graceMs, "graceMs", 0, 2 ** 31 - 1);
  integer(data, "data", 0, U32);
  return { graceMs, data, reason };
}
