import { Admission } from "./internal/admission.ts";
import { Closing } from "./internal/closing.ts";
import { Connector } from "./internal/connect.ts";
import type { Endpoint } from "./internal/endpoint.ts";
import { HostReport } from "./internal/host_report.ts";
import type { Inlet } from "./internal/inlet.ts";
import { count, makeInspectable } from "./internal/inspect.ts";
import { hostAndPort } from "./internal/ip.ts";
import { assignSetting, defineSettings } from "./internal/live_settings.ts";
import { openHost } from "./internal/open.ts";
import { startCapture } from "./internal/captures.ts";
import { type HostPlan, planHost } from "./internal/plan.ts";
import { recipientsOf } from "./internal/recipients.ts";
import { refuseUnknown } from "./internal/strict.ts";
import { handlers as checkHandlers, integer } from "./internal/validate.ts";
import type { ActiveConditions } from "./active_conditions.ts";
import { type Address, type AddressLike, validateAddress } from "./address.ts";
import type { AddressFilter } from "./address_filter.ts";
import { type Capture, type CaptureOptions, planCapture } from "./capture.ts";
import { type CloseOptions, planClose, type Undelivered } from "./close.ts";
import type { Conditions } from "./conditions.ts";
import { type ConnectOptions, planConnect, planRetry } from "./connect.ts";
import { HANDLERS, type HostEvent, type HostHandlers } from "./events.ts";
import { type Group, groups } from "./group.ts";
import type { HostStats } from "./host_stats.ts";
import type { Limits, ResolvedLimits } from "./limits.ts";
import type { HostOptions, ListenOptions } from "./options.ts";
import { type Data, PacketFlag } from "./packet.ts";
import { type Peer, peers } from "./peer.ts";
import type { PeerHost } from "./peer_host.ts";
import type { HostSettings } from "./settings.ts";

/** Options of `host.broadcast`. Peers that have ended are left out. */
export interface BroadcastOptions {
  /** A peer, or several, that alone get the message. Default all connected ones. */
  to?: Peer | Iterable<Peer>;
  /** A peer, or several, that do not get the message. Default none. */
  except?: Peer | Iterable<Peer>;
}

/** What the rest of the library may do with hosts, and users may not. */
interface HostInside {
  /** The internal object of a host. */
  endpointOf(host: Host): Endpoint;
  /** What opens its connections. */
  connectorOf(host: Host): Connector;
  /** As `Host.create`, but the host reaches no IPv6 address. */
  createIPv4(options: HostOptions): Promise<Host>;
}

let inside: HostInside;

/** The settings of a host are properties of it; {@linkcode HostSettings} says what each is. */
export interface Host<PeerData = unknown>
  extends Omit<HostSettings, "filter" | "limits" | "conditions"> {}

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
 * collector may collect, and so close, a host without handlers and `accept` that nothing refers to.
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
    PeerHost<Peer<PeerData>> {
  readonly #endpoint: Endpoint;
  readonly #inlet: Inlet;
  readonly #connector: Connector;
  readonly #closing: Closing;
  readonly #report: HostReport;

  private constructor(endpoint: Endpoint, inlet: Inlet) {
    if (endpoint === undefined) {
      throw new TypeError(
        "A Host is made by Host.listen or Host.create, which return promises of it",
      );
    }
    endpoint.host = this;
    this.#endpoint = endpoint;
    this.#inlet = inlet;
    this.#connector = new Connector(endpoint, inlet);
    const report = this.#report = new HostReport(endpoint, () => inlet.roster.others.length);
    this.#closing = new Closing(
      endpoint,
      inlet,
      this.#connector,
      () => report.keep(endpoint.settings.conditions),
    );
    const admission = new Admission(endpoint);
    inlet.onAttempt = (...attempt) => admission.add(...attempt);
    inlet.decide = (spent) => admission.decide(spent);
    inlet.onFailure = () => this.#closing.destroy();
    // A misspelt setting is a TypeError in place of a property that nobody reads.
    Object.preventExtensions(this);
  }

  /**
   * Creates a host that others can connect to.
   *
   * @param options where to listen, and everything of {@linkcode HostOptions}
   * @param handlers functions to call as things happen; without them the host is iterated or serviced
   * @returns the listening host
   * @throws {TypeError} for an unknown option or one of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_ADDRESS_IN_USE`, `ENETJS_ERR_ADDRESS_UNAVAILABLE`,
   *   `ENETJS_ERR_PERMISSION`, `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_LIMIT`, `ENETJS_ERR_MEMORY`,
   *   `ENETJS_ERR_THREAD`, `ENETJS_ERR_LIBRARY`, `ENETJS_ERR_ABI`, `ENETJS_ERR_LIBENET`,
   *   `ENETJS_ERR_UNGUARDED` where nothing protects the host, unless `unguarded` is true; with `reusePort` and
   *   `sharedPort` `ENETJS_ERR_REUSE_PORT`, with `sharedPort` `ENETJS_ERR_SOCKETS_TAKEN` and
   *   `ENETJS_ERR_NO_HOLDER`
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
    return await openHost(
      plan,
      handlers as HostHandlers | undefined,
      (endpoint, inlet) => new Host<PeerData>(endpoint, inlet),
    );
  }

  /**
   * Opens a connection.
   *
   * With {@linkcode ConnectOptions.retry}, an attempt that failed is followed by another. This ends when an
   * attempt succeeds, `signal` aborts, the host closes, or an error is final; see
   * {@linkcode RetryOptions.when}.
   *
   * @param address where to, as `{ hostname, port }`, `"hostname:port"` or `"[::1]:7777"`; the runtime resolves a host
   *   name for each attempt. When it has several addresses, the fastest one is taken, as RFC 8305 says
   * @param options channels, data, how long to wait, and whether to go on trying
   * @returns the connected peer
   * @throws {TypeError} for an address or option of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_TIMEOUT` when there is no answer in time, `ENETJS_ERR_REFUSED` when
   *   the other side ends the attempt, with its number in `error.data`, `ENETJS_ERR_STALE` when this side ends
   *   it because the other exceeds a limit for peers, `ENETJS_ERR_PEERS_EXHAUSTED`, `ENETJS_ERR_MEMORY`,
   *   `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_ADDRESS_FAMILY`, `ENETJS_ERR_CLOSED`; or the reason of the signal
   */
  async connect(address: AddressLike, options: ConnectOptions = {}): Promise<Peer<PeerData>> {
    const to = validateAddress(address, 1);
    return await this.#connector.connect(to, planConnect(options)) as Peer<PeerData>;
  }

  /**
   * Connects again each time a connection has ended, and yields a peer for each connection. Before each but
   * the first comes a wait, see {@linkcode RetryOptions}. The waits start again at `minimumMs` after a connection
   * that lasted longer than the wait before it.
   *
   * The iteration ends when `signal` aborts, which disconnects the current peer, and when the host closes. After
   * an abort it waits for the acknowledgement, or for the peer's timeout of 5 to 30 s. It throws a final error, see
   * {@linkcode RetryOptions.when}. Leaving the loop disconnects the peer after everything queued has been
   * delivered.
   *
   * @param address as for {@linkcode Host.connect}
   * @param options as for {@linkcode Host.connect}; `retry` need not be given
   * @returns the connected peers
   * @throws {TypeError} for an address or option of the wrong type
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
    const { to, mode } = recipientsOf(options, this.#endpoint);
    return this.#endpoint.broadcast(channelId, flags, data, to, mode);
  }

  /**
   * Makes an empty group, for messages to all of its members.
   *
   * @returns the group
   */
  group(): Group<PeerData> {
    return groups.create(this.#endpoint);
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
    if (this.#inlet.handlers === undefined) {
      return (this.#inlet.poll(timeoutMs) ?? null) as HostEvent<PeerData> | null;
    }
    if (!this.closed) this.#inlet.service(timeoutMs);
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
    this.#endpoint.requireOpen("Setting the handlers");
    this.#inlet.handlers = handlers;
  }

  /**
   * Sends a raw datagram from the host's socket.
   *
   * @param address where to, as `{ hostname, port }`, `"192.0.2.7:7777"` or `"[2001:db8::7]:7777"`; not a host name
   * @param data at most 65,507 bytes
   * @returns false when nothing was sent: the socket's buffer is full; the system has no route to the address; a
   *   route or a firewall forbids it; its zone is no interface; or the host is closed
   * @throws {TypeError} if the address or the data are of the wrong type
   * @throws {RangeError} if the port or the size are out of range
   * @throws {ENetError} `ENETJS_ERR_TOO_LARGE`, `ENETJS_ERR_SOCKET`, and
   *   `ENETJS_ERR_ADDRESS_FAMILY` when the host's socket does not speak that version of IP
   */
  sendDatagram(address: AddressLike, data: Data): boolean {
    return this.#endpoint.transport.sendDatagram(validateAddress(address, 1), data);
  }

  /**
   * The local address, also after the host is closed. A host that only connects has port 0 before it first
   * sends.
   */
  get address(): Address {
    return this.#report.address;
  }

  /** The connected peers whose connect events the program has taken. */
  get peers(): Peer<PeerData>[] {
    return this.#inlet.roster.connected.map((connection) => peers.of(connection) as Peer<PeerData>);
  }

  /** Counters of the host since it was created; after it is closed, their last values. */
  get stats(): HostStats {
    return this.#report.stats;
  }

  /** Whether the host is closed. */
  get closed(): boolean {
    return !this.#endpoint.resources.open;
  }

  // Three settings that are written here, because they are read as another type than they are assigned as.

  /** Which addresses may talk to the host; see {@linkcode HostSettings.filter}. */
  get filter(): Readonly<Required<AddressFilter>> {
    return this.#endpoint.settings.filter;
  }
  set filter(filter: AddressFilter) {
    assignSetting(this.#endpoint, "filter", filter);
  }

  /** How much may come from an address and from a peer; see {@linkcode HostSettings.limits}. */
  get limits(): ResolvedLimits {
    return this.#endpoint.settings.limits;
  }
  set limits(limits: Limits) {
    assignSetting(this.#endpoint, "limits", limits);
  }

  /** The simulated network, or null; see {@linkcode HostSettings.conditions}. */
  get conditions(): ActiveConditions | null {
    return this.#endpoint.settings.conditions;
  }
  set conditions(conditions: Conditions | null) {
    assignSetting(this.#endpoint, "conditions", conditions);
  }

  /**
   * Writes what the host sends and receives from now on to a pcapng file, which Wireshark and `enet sniff` open.
   * The host never waits for the disk: what comes too fast is dropped, and the file says how much. Linux only.
   *
   * The capture ends with the host, and with `close()` of what is returned.
   *
   * @param path the file, which is replaced; only its owner may read it. As a `file:` URL or a path
   * @param options whether before encryption, and how large the files become
   * @returns the capture
   * @throws {TypeError} for a path or an option of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_FILE` when the file cannot be opened, with the system's error as its `cause`;
   *   `ENETJS_ERR_FILE_IN_USE`, `ENETJS_ERR_LIMIT` when the host has 4 captures or the process has 64,
   *   `ENETJS_ERR_UNGUARDED` on systems other than Linux, `ENETJS_ERR_MEMORY`, `ENETJS_ERR_THREAD`,
   *   `ENETJS_ERR_CLOSED`
   */
  capture(path: string | URL, options: CaptureOptions = {}): Capture {
    const plan = planCapture(path, options);
    this.#endpoint.requireOpen("Capturing");
    return startCapture(this.#endpoint, plan);
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
   * @returns a promise that resolves when the host is closed; its value counts what was not delivered
   * @throws {TypeError} for an unknown option
   * @throws {RangeError} if `graceMs` or `data` is out of range
   */
  close(options: CloseOptions = {}): Promise<Undelivered> {
    return this.#closing.close(planClose(options));
  }

  /**
   * Closes the host at once, with one notice to every peer, which may be lost. The library sends the same
   * notices when a host is garbage-collected, when its Worker ends, and when the process exits. It sends none
   * when a signal or a crash ends the process.
   */
  [Symbol.dispose](): void {
    this.#closing.destroy();
  }

  /** Closes the host as {@linkcode Host.close} does without options. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #describe(): string {
    if (this.closed) return "closed";
    const peers = count(this.stats.connectedPeers, "connected peer");
    return `${hostAndPort(this.address)}, ${peers}${this.#closing.begun ? ", closing" : ""}`;
  }

  static {
    makeInspectable(this.prototype, "Host", (host) => host.#describe());
    defineSettings(this.prototype, (host) => host.#endpoint);
    refuseUnknown(this.prototype, "The host");
    inside = {
      endpointOf: (host) => host.#endpoint,
      connectorOf: (host) => host.#connector,
      createIPv4: (options) =>
        Host.#open({ ...planHost(options, false), ipv4Only: true }, undefined),
    };
  }
}

export const hosts: HostInside = inside;
