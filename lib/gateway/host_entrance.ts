/**
 * Lets browsers into a host of this process: a transport of that host, of which each session is a connection.
 *
 * @module
 */
import { DISCONNECT, LAYOUT, PEER_OPTION, PEER_STAT, type PeerOption } from "../../ffi/layout.ts";
import type { AddressFilter } from "../address_filter.ts";
import { DisconnectCode, type PeerEnd } from "../disconnect.ts";
import { NATIVE_ERROR } from "../errors.ts";
import { encryptedBy } from "../internal/client_facts.ts";
import { BORROWED } from "../internal/borrowing.ts";
import { Connection } from "../internal/connection.ts";
import type { Endpoint } from "../internal/endpoint.ts";
import { dataBytes, requireSize } from "../internal/payload.ts";
import { effectiveHostData } from "../internal/settings.ts";
import type { Carried, Recipients, Transport } from "../internal/transport.ts";
import type { ResolvedLimits } from "../limits.ts";
import { type Data, Packet, packets } from "../packet.ts";
import { PEER_STATES } from "../peer_state.ts";
import type { Accounts } from "./accounts.ts";
import type { Destination, Session } from "./session.ts";
import type { PreparedMessage } from "./socket/contract.ts";
import { CLOSE, encodeMessage, FRAGMENT, type Hello } from "./link/wire.ts";

/** Cost of frames that a browser may have under way, at most and at least. */
const MOST_WINDOW = 128 * 1024;
const LEAST_WINDOW = 16 * 1024;
/** Milliseconds without an acknowledgement after which a browser of which too much waits is given up. */
const STUCK_MS = 5000;

/** ENet's defaults, for what stands for them here. */
const TIMEOUTS = [32, 5000, 30_000] as const;
const PING_INTERVAL_MS = 1000;

const stateOf = (name: typeof PEER_STATES[number]) => PEER_STATES.indexOf(name);

/** A browser that has arrived. */
interface Guest {
  readonly id: number;
  readonly session: Session;
  readonly hello: Hello;
  readonly arrivedAt: number;
  connection: Connection | undefined;
  /** Tokens of messages that someone waits for. */
  readonly tokens: Set<number>;
  timeouts: readonly [number, number, number];
  throttle: readonly [number, number, number];
}

const guestOf = (session: Session): Guest => session.tag as Guest;

/** Carries the connections of browsers. */
export class HostEntrance implements Destination, Transport {
  readonly #endpoint: Endpoint;
  readonly #accounts: Accounts;
  readonly #most: number;
  readonly #prepare: (frame: Uint8Array) => PreparedMessage;
  readonly #guests = new Map<number, Guest>();
  readonly #stats = new Float64Array(LAYOUT.STATS_COUNT);
  #count = 0;

  /**
   * @param most browsers at a time
   * @param prepare encodes a frame for many sockets
   */
  constructor(
    endpoint: Endpoint,
    accounts: Accounts,
    most: number,
    prepare: (frame: Uint8Array) => PreparedMessage,
  ) {
    this.#endpoint = endpoint;
    this.#accounts = accounts;
    this.#most = most;
    this.#prepare = prepare;
  }

  // A browser arrives.

  arrive(session: Session, hello: Hello): void {
    const { settings, inlet } = this.#endpoint;
    const reason = this.#refusal(session);
    if (reason !== undefined) return session.refuse(reason);
    const guest: Guest = {
      id: ++this.#count,
      session,
      hello,
      arrivedAt: performance.now(),
      connection: undefined,
      tokens: new Set(),
      timeouts: TIMEOUTS,
      throttle: [5000, 2, 2],
    };
    session.tag = guest;
    this.#guests.set(guest.id, guest);
    if (settings.accept === undefined) return this.#admit(guest);
    const { hostname, client: { port } } = session;
    const attempt = {
      address: { hostname, port },
      data: hello.data,
      channels: Math.min(hello.channels, settings.channels),
      ...encryptedBy(undefined),
    };
    inlet.onAttempt(this, guest.id, attempt, 0);
    this.#endpoint.change();
  }

  /** Why a browser is not asked about, or undefined. */
  #refusal({ hostname, account: { address } }: Session): number | undefined {
    const { resources, closing, settings } = this.#endpoint;
    if (!resources.open || closing) return DisconnectCode.CLOSING;
    if (!this.#accounts.allows(hostname)) return DisconnectCode.DENIED;
    if (!this.#accounts.connect(address)) return DisconnectCode.LIMIT;
    if (this.#guests.size >= this.#most) return DisconnectCode.FULL;
    if (address.sessions > settings.duplicatePeers) return DisconnectCode.DUPLICATE;
    return undefined;
  }

  answer(question: number, verdict: number): void {
    const guest = this.#guests.get(question);
    if (guest === undefined || guest.session.state !== "asking") return;
    if (verdict === LAYOUT.ACCEPT) return this.#admit(guest);
    this.#guests.delete(question);
    guest.session.refuse(verdict);
  }

  #admit(guest: Guest): void {
    const { session, hello, id } = guest;
    const endpoint = this.#endpoint;
    const { settings } = endpoint;
    const channels = Math.min(hello.channels, settings.channels);
    const share = effectiveHostData(settings) / 8 / this.#most;
    const window = Math.floor(Math.min(MOST_WINDOW, Math.max(LEAST_WINDOW, share)));
    const largest = settings.maximumPacketSize;
    session.welcome({ channels, window, largest }, hello.window, settings.highWaterMark);
    session.link.pingIntervalMs = PING_INTERVAL_MS;
    const address = { hostname: session.hostname, port: session.client.port };
    guest.connection = new Connection(endpoint, this, id, address, channels, false);
    guest.connection.facts = encryptedBy(undefined);
    endpoint.inlet.reportConnect(guest.connection, hello.data);
  }

  /** A few times a second: looks at those that nobody decides about, and at those that do not read. */
  tick(): void {
    const now = performance.now();
    const { settings } = this.#endpoint;
    const { highWaterMark } = settings;
    const share = Math.max(2 * highWaterMark, effectiveHostData(settings) / 8 / this.#most);
    for (const { id, session, arrivedAt } of this.#guests.values()) {
      if (session.state === "asking") {
        if (now - arrivedAt > LAYOUT.DECISION_MS) this.answer(id, LAYOUT.CODE_UNDECIDED);
        continue;
      }
      const { link } = session;
      link.queue.limitBytes = highWaterMark;
      if (link.queuedCost > share && now - link.lastProgress > STUCK_MS) {
        const what = `it has taken nothing for ${STUCK_MS} ms of ${link.queuedBytes} bytes`;
        session.fault(CLOSE.TIMEOUT, what);
      }
    }
  }

  // Callbacks of a session.

  message(
    session: Session,
    channelId: number,
    flags: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): void {
    const packet = packets.fromBytes(bytes, flags, BORROWED.BY_ITERATION);
    this.#endpoint.inlet.reportMessage(guestOf(session).connection!, channelId, packet);
  }

  delivered(session: Session, token: number): void {
    guestOf(session).tokens.delete(token);
    this.#endpoint.deliveries.settle(token, true);
  }

  drained(session: Session): void {
    guestOf(session).connection!.drain();
  }

  /** Incomplete messages count towards the host's data, part by part. */
  hold({ link }: Session, bytes: number): boolean {
    const { waiting } = this.#endpoint;
    for (let held = bytes; held < 0; held += FRAGMENT) waiting.remove(FRAGMENT, false);
    if (bytes <= 0) return true;
    waiting.add(bytes, false);
    return !waiting.full || link.inbox.waitingBytes <= waiting.share;
  }

  end(session: Session, end: PeerEnd): void {
    const guest = guestOf(session);
    if (guest === undefined || !this.#guests.delete(guest.id)) return;
    const { connection, tokens } = guest;
    if (connection === undefined) return;
    this.#endpoint.inlet.reportEnd(connection, end);
    for (const token of tokens) this.#endpoint.deliveries.settle(token, false);
  }

  // What the host asks for.

  post(): boolean {
    return false;
  }

  send({ id }: Carried, channelId: number, flags: number, data: Data, token: number): number {
    const bytes = this.#bytesOf(data);
    const guest = this.#guests.get(id);
    if (guest?.connection === undefined || guest.session.state !== "connected") {
      return NATIVE_ERROR.STALE;
    }
    if (token !== 0) guest.tokens.add(token);
    const isFull = guest.session.send(channelId, flags, bytes, token);
    if (isFull) guest.connection.full = true;
    return Number(isFull);
  }

  #bytesOf(data: Data): Uint8Array {
    if (data instanceof Packet) packets.send(data);
    const bytes = dataBytes(data);
    requireSize(bytes.length, this.#endpoint.settings);
    return bytes;
  }

  broadcast(channelId: number, flags: number, data: Data, to: Recipients, mode: number): number {
    const bytes = this.#bytesOf(data);
    const ids = new Float64Array(to.ids.buffer, to.ids.byteOffset, to.byteLength / 8);
    const guests = mode === LAYOUT.BROADCAST_TO ? this.#these(ids) : this.#others(ids);
    const chosen = guests.filter(({ session: { state }, connection }) =>
      state === "connected" && channelId < connection!.channels
    );
    let frames: PreparedMessage[] | undefined;
    const encode = () =>
      frames ??= encodeMessage(channelId, flags, bytes).map((frame) => this.#prepare(frame));
    for (const { session, connection } of chosen) {
      if (session.send(channelId, flags, bytes, 0, encode)) connection!.full = true;
    }
    return chosen.length;
  }

  #these(ids: Float64Array): Guest[] {
    return Array.from(ids, (id) => this.#guests.get(id)).filter((guest) => guest !== undefined);
  }

  #others(ids: Float64Array): Guest[] {
    const without = new Set(ids);
    return [...this.#guests.values()].filter(({ id }) => !without.has(id));
  }

  disconnect({ id }: Carried, data: number, mode: number): number {
    const session = this.#guests.get(id)?.session;
    if (session === undefined) return NATIVE_ERROR.STALE;
    const end = { reason: "local", data } as const;
    if (mode === DISCONNECT.NOW) session.end(CLOSE.DISCONNECT, end);
    else if (mode === DISCONNECT.LATER) session.disconnectLater(end);
    else session.disconnect(CLOSE.DISCONNECT, end);
    return 0;
  }

  reset({ id }: Carried): number {
    const session = this.#guests.get(id)?.session;
    if (session === undefined) return NATIVE_ERROR.STALE;
    session.reset({ reason: "reset", data: 0 });
    return 0;
  }

  ping({ id }: Carried): number {
    const session = this.#guests.get(id)?.session;
    if (session?.state !== "connected") return NATIVE_ERROR.STALE;
    session.link.ping();
    return 0;
  }

  set({ id }: Carried, option: PeerOption, a: number, b: number, c: number): number {
    const guest = this.#guests.get(id);
    if (guest?.connection === undefined) return NATIVE_ERROR.STALE;
    const { link } = guest.session;
    switch (option) {
      case PEER_OPTION.PAUSED:
        guest.session.held = a === 1;
        break;
      case PEER_OPTION.DENIED:
        link.deaf = a === 1;
        break;
      case PEER_OPTION.PING_INTERVAL:
        link.pingIntervalMs = a || PING_INTERVAL_MS;
        break;
      case PEER_OPTION.TIMEOUT:
        guest.timeouts = [a || TIMEOUTS[0], b, c];
        link.timeoutMs = c;
        break;
      case PEER_OPTION.THROTTLE:
        guest.throttle = [a, b, c];
        break;
      case PEER_OPTION.PRIORITY:
        break; // the queue of a session has none
      default:
        option satisfies never;
    }
    return 0;
  }

  state({ id }: Carried): number {
    const guest = this.#guests.get(id);
    switch (guest?.session.state) {
      case "connected":
        return stateOf("connected");
      case "later":
        return stateOf("disconnect-later");
      case "leaving":
        return stateOf("disconnecting");
      default:
        return NATIVE_ERROR.STALE;
    }
  }

  stats(of: Carried): Float64Array | undefined {
    const state = this.state(of);
    if (state < 0) return undefined;
    const { session: { link }, timeouts, throttle } = this.#guests.get(of.id) as Guest;
    const stats = this.#stats.fill(0);
    const now = performance.now();
    const put = (first: number, values: readonly number[]) => stats.set(values, first);
    put(PEER_STAT.STATE, [state, link.channels]);
    put(PEER_STAT.INCOMING_DATA_TOTAL, [link.inbox.receivedBytes, link.sentBytes]);
    put(PEER_STAT.SINCE_LAST_SEND, [now - link.lastSend, now - link.lastReceive]);
    const open = LAYOUT.PACKET_THROTTLE_SCALE;
    put(PEER_STAT.PACKET_THROTTLE, [open, open, 0, throttle[1], throttle[2], throttle[0]]);
    put(PEER_STAT.PING_INTERVAL, [link.pingIntervalMs, ...timeouts]);
    const { roundTripTime, roundTripTimeVariance } = link.pace;
    put(PEER_STAT.LAST_ROUND_TRIP_TIME, [roundTripTime, roundTripTime]);
    put(PEER_STAT.LAST_ROUND_TRIP_TIME_VARIANCE, [roundTripTimeVariance, roundTripTimeVariance]);
    put(PEER_STAT.ROUND_TRIP_TIME, [roundTripTime, roundTripTimeVariance]);
    put(PEER_STAT.WINDOW_SIZE, [link.pace.allowed, link.inFlight, link.inbox.waitingBytes]);
    put(PEER_STAT.QUEUED_BYTES, [link.queuedBytes, link.queuedMessages]);
    put(PEER_STAT.SENT_DATA, [link.sentBytes, 0, link.inbox.receivedBytes]);
    stats[PEER_STAT.SMOOTHED_ROUND_TRIP] = roundTripTime;
    stats[PEER_STAT.THROTTLED] = link.queue.dropped;
    return stats;
  }

  limit(limits: ResolvedLimits): void {
    this.#accounts.limit(limits);
  }

  filter(filter: Readonly<Required<AddressFilter>>): void {
    this.#accounts.filter(filter);
    for (const { session, connection } of this.#guests.values()) {
      if (connection === undefined) continue;
      session.link.deaf = connection.denied || !this.#accounts.allows(session.hostname);
    }
  }
}
