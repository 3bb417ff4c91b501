/**
 * The gateway's side of WebRTC: answers the offers of browsers, one for each connection.
 *
 * A stranger can write an offer. So libdatachannel gets a description that is written here, from parts that have been
 * checked. It gets no candidates of the browser, and no other server. It sends UDP only to where a check with this
 * connection's secret has come from, to at most 14 addresses in a connection.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { DataChannel, PeerConfig, PeerConnection, RtcLibrary } from "./_node_datachannel.ts";
import {
  MOST_CHANNEL_BYTES,
  type RtcAnswer,
  type RtcSide,
  sdpOf,
  sideOf,
} from "./link/signalling.ts";
import type { RtcChannel } from "./link/unreliable_path.ts";

/** How a gateway offers WebRTC, checked. */
export interface RtcPlan {
  /** First and last UDP port; undefined takes any. */
  readonly ports: readonly [number, number] | undefined;
  /** The address that browsers get; undefined means the address at which their WebSocket has arrived. */
  readonly addresses: readonly string[] | undefined;
}

/** What has become of the data channels that browsers have offered. */
export interface WebRtcStats {
  /** Data channels that are open now. */
  readonly open: number;
  /** Offers that came. */
  readonly offers: number;
  /** Data channels that were opened. */
  readonly opened: number;
  /** Offers that were declined, because too many were under way or the system had no port left. */
  readonly declined: number;
  /** Negotiations that were answered, and ended without a data channel. */
  readonly failed: number;
}

type Counters = { -readonly [K in keyof WebRtcStats]: number };

/** The callbacks of a connection. None comes after `closed`. */
export interface RtcUser {
  /** To be sent to the browser; without an answer, there will be no connection. */
  answered(answer: RtcAnswer | undefined): void;
  /** The channel is open. */
  opened(channel: RtcChannel): void;
  /** A message; undefined stands for text. */
  received(bytes: Uint8Array | undefined): void;
  /** The browser has done what no browser does. */
  abused(what: string): void;
  /** There is no channel any more. */
  closed(): void;
}

/** Negotiations under way at most. */
const MOST_NEGOTIATIONS = 64;
/** Connections that have been closed and are not gone, at most: browsers that vanish take half a minute. */
const MOST_CLOSING = 512;
/** How long a negotiation may take. */
const NEGOTIATION_MS = 10_000;
/** Messages of a browser in a second at most; what exceeds `limits` has been dropped before. */
const MOST_PER_SECOND = 10_000;
/** How long a gateway waits for its connections when it closes. */
const CLOSE_MS = 2000;

/** A connection, from the offer to the end. */
export class RtcConnection implements RtcChannel {
  readonly #owner: RtcServer;
  readonly #user: RtcUser;
  readonly #since: number = performance.now();
  #peer: PeerConnection | undefined;
  #channel: DataChannel | undefined;
  #isAnswered = false;
  #isOpen = false;
  #isClosed = false;
  #second = 0;
  #inSecond = 0;

  constructor(owner: RtcServer, user: RtcUser) {
    this.#owner = owner;
    this.#user = user;
  }

  /** Whether the negotiation goes on. */
  get isNegotiating(): boolean {
    return !this.#isOpen && !this.#isClosed;
  }

  /** Begins. @throws {Error} when libdatachannel can't */
  begin(
    library: RtcLibrary,
    config: PeerConfig,
    offer: RtcSide,
    addresses: readonly string[],
  ): void {
    const peer = this.#peer = new library.PeerConnection("enet", config);
    this.#owner.began(this);
    let isGone = false;
    peer.onStateChange((state) => {
      if (state === "failed" || state === "closed") this.close();
      if (state !== "closed" || isGone) return;
      isGone = true;
      this.#owner.gone(this);
    });
    peer.onGatheringStateChange((state) => {
      if (state === "complete" && !this.#isClosed) this.#answer(peer, addresses);
    });
    peer.onDataChannel((channel) => {
      // A channel that nobody reads holds up a thread of libdatachannel, and one whose end nobody hears this process.
      channel.onMessage(() => {});
      channel.onClosed(() => {});
      if (!this.#isClosed) this.#user.abused("a data channel of its own");
    });
    // Everything that can fail in libdatachannel fails here, where it becomes an error of JavaScript.
    peer.setRemoteDescription(sdpOf(offer, "actpass"), "offer");
    const channel = this.#channel = peer.createDataChannel("enet", {
      negotiated: true,
      id: 0,
      unordered: true,
      maxRetransmits: 0,
    });
    channel.onOpen(() => this.#opened());
    channel.onClosed(() => this.close());
    channel.onError(() => this.close());
    channel.onMessage((message) => this.#received(message));
  }

  #answer(peer: PeerConnection, addresses: readonly string[]): void {
    const sdp = peer.localDescription()?.sdp ?? "";
    const side = sideOf(sdp);
    const port = Number(sdp.match(/^a=candidate:\S+ \d+ UDP \d+ \S+ (\d+) typ host/m)?.[1]);
    if (side === undefined || !(port > 0) || addresses.length === 0) return this.decline();
    this.#isAnswered = true;
    this.#user.answered({ ...side, port, addresses });
  }

  /** Says no. */
  decline(): void {
    if (this.#isClosed) return;
    this.#user.answered(undefined);
    this.close();
  }

  #opened(): void {
    if (this.#isClosed || this.#isOpen) return;
    this.#isOpen = true;
    this.#owner.counters.open++;
    this.#owner.counters.opened++;
    this.#user.opened(this);
  }

  #received(message: string | ArrayBuffer | Uint8Array): void {
    if (this.#isClosed) return;
    const now = performance.now();
    if (now - this.#second >= 1000) {
      this.#second = now;
      this.#inSecond = 0;
    }
    if (++this.#inSecond > MOST_PER_SECOND) return this.#user.abused("a flood of messages");
    if (message instanceof ArrayBuffer) this.#user.received(new Uint8Array(message));
    else this.#user.received(typeof message === "string" ? undefined : message);
  }

  /** To be called a few times a second. */
  tick(now: number): void {
    if (this.isNegotiating && now - this.#since > NEGOTIATION_MS) this.close();
  }

  buffered(): number {
    return this.#isClosed ? 0 : this.#channel!.bufferedAmount();
  }

  send(bytes: Uint8Array): void {
    if (this.#isClosed) throw new Error("the data channel is closed");
    this.#channel!.sendMessageBinary(bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    const { counters } = this.#owner;
    if (this.#isOpen) counters.open--;
    else if (this.#isAnswered) counters.failed++;
    else counters.declined++;
    this.#isClosed = true;
    // It closes the channel, too. Where both are closed from here, an end that comes from the other side at the same
    // time can get lost, and then the channel keeps the process alive. It is closed once what libdatachannel has
    // reported already has arrived: a channel of the browser's own that nobody has emptied would hold up a thread for good.
    setImmediate(() => this.#peer?.close());
    this.#user.closed();
  }
}

/** Answers the offers of a gateway's browsers. */
export class RtcServer {
  readonly counters: Counters = { open: 0, offers: 0, opened: 0, declined: 0, failed: 0 };
  readonly #library: RtcLibrary;
  readonly #plan: RtcPlan;
  /** Connections that are not gone. */
  readonly #connections = new Set<RtcConnection>();
  #config: PeerConfig | undefined;
  #isGone: (() => void) | undefined;

  constructor(library: RtcLibrary, plan: RtcPlan) {
    this.#library = library;
    this.#plan = plan;
  }

  /** Says where the gateway listens: an address of this machine, or one that stands for all of them. */
  listen(hostname: string | undefined): void {
    const { ports } = this.#plan;
    const isAny = hostname === undefined || hostname === "0.0.0.0" || hostname === "::";
    this.#config = {
      iceServers: [],
      maxMessageSize: MOST_CHANNEL_BYTES,
      ...!isAny && { bindAddress: hostname },
      ...ports && { portRangeBegin: ports[0], portRangeEnd: ports[1] },
    };
  }

  /**
   * Answers an offer.
   *
   * @param arrivedAt the address of this machine at which the browser's WebSocket has arrived
   */
  answer(offer: RtcSide, arrivedAt: string, user: RtcUser): RtcConnection | undefined {
    this.counters.offers++;
    const connection = new RtcConnection(this, user);
    const addresses = this.#plan.addresses ?? (arrivedAt === "" ? [] : [arrivedAt]);
    try {
      if (this.#config === undefined || this.#isBusy) throw new Error("too many are under way");
      connection.begin(this.#library, this.#config, offer, addresses);
      return connection;
    } catch {
      connection.decline();
      return undefined;
    }
  }

  get #isBusy(): boolean {
    const negotiating = [...this.#connections].filter(({ isNegotiating }) => isNegotiating).length;
    return negotiating >= MOST_NEGOTIATIONS ||
      this.#connections.size - negotiating - this.counters.open >= MOST_CLOSING;
  }

  /** There is a connection. */
  began(connection: RtcConnection): void {
    this.#connections.add(connection);
  }

  /** libdatachannel has let go of a connection. */
  gone(connection: RtcConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#isGone?.();
  }

  /** Ends all connections; resolves when they are gone. */
  async close(): Promise<void> {
    this.#config = undefined;
    for (const connection of this.#connections) connection.close();
    if (this.#connections.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isGone = resolve;
    const timer = setTimeout(resolve, CLOSE_MS);
    await promise;
    clearTimeout(timer);
  }
}
