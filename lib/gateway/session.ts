/**
 * One browser of a gateway: its WebSocket, from the hello to the end. What is done with its messages is the matter of
 * its destination: the host of this process, or a server elsewhere.
 *
 * @module
 */
import { DisconnectCode, type PeerEnd } from "../disconnect.ts";
import { show } from "../internal/validate.ts";
import type { Account, Accounts } from "./accounts.ts";
import { Link, type LinkOwner } from "./link/link.ts";
import type { RtcConnection, RtcUser } from "./rtc_server.ts";
import { decodeOffer, encodeAnswer, type RtcAnswer, type RtcSide } from "./link/signalling.ts";
import type { PreparedMessage, SocketClient } from "./socket/contract.ts";
import { type RtcChannel, UnreliablePath } from "./link/unreliable_path.ts";
import {
  CLOSE,
  closeReason,
  decodeHello,
  encodeMessage,
  encodeWelcome,
  endOf,
  type Hello,
  type Welcome,
} from "./link/wire.ts";

/** A frame, as it is or encoded for many. */
export type SessionFrame = Uint8Array | PreparedMessage;

/** What becomes of browsers. No callback of a session comes after its end. */
export interface Destination {
  /** A browser has said hello. It is answered by `welcome` or `refuse`, at once or later. */
  arrive(session: Session, hello: Hello): void;
  /** A message, once the session has been welcomed. */
  message(
    session: Session,
    channelId: number,
    flags: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): void;
  /** The browser has taken a message of a token. */
  delivered(session: Session, token: number): void;
  /** The queue has fallen to half of the high-water mark. */
  drained(session: Session): void;
  /** Incomplete messages take so many bytes more, or less; returns false where that is too much. */
  hold(session: Session, bytes: number): boolean;
  /** A session that had arrived has ended. */
  end(session: Session, end: PeerEnd): void;
}

/** What a session needs of its gateway. */
export interface SessionOwner {
  readonly destination: Destination;
  readonly accounts: Accounts;
  /** The session has said hello, and counts. */
  arrived(session: Session): void;
  /** It has not been let in. */
  refused(data: number): void;
  /** It has ended. */
  left(session: Session): void;
  /** It offers a data channel. Without a connection, the answer says no. */
  offered(session: Session, offer: RtcSide, user: RtcUser): RtcConnection | undefined;
  /** Has `flush` called when this turn of microtasks is over. */
  touch(session: Session): void;
  /** Tells a program that is being debugged why a browser has ended. */
  warn(name: string, what: string): void;
}

/** Where a session is in its life. */
export type SessionState = "greeting" | "asking" | "connected" | "later" | "leaving" | "ended";

/** Milliseconds that a browser has for its hello, and for the answer to a close. */
const HELLO_MS = 5000;
const CLOSE_MS = 5000;

/** A browser. */
export class Session implements LinkOwner<SessionFrame> {
  readonly client: SocketClient;
  readonly hostname: string;
  /** What it has used of the limits. */
  readonly account: Account;
  /** What the destination keeps with it. */
  tag: unknown;
  state: SessionState = "greeting";
  /** It has said hello. */
  hasArrived = false;
  readonly #owner: SessionOwner;
  #link: Link<SessionFrame> | undefined;
  #since: number = performance.now();
  /** The reason that will be reported for the end that this side has begun. */
  #leaving: PeerEnd | undefined;
  #held = false;
  #limited = false;
  /** The socket has closed: what has arrived is handed on, whatever `held` says. */
  #isOver = false;
  /** It has offered a data channel, which a connection may do once. */
  #hasOffered = false;
  #rtc: RtcConnection | undefined;

  constructor(owner: SessionOwner, client: SocketClient) {
    this.#owner = owner;
    this.client = client;
    this.hostname = client.address;
    this.account = owner.accounts.open(this.hostname);
  }

  /** Once it has been welcomed. */
  get link(): Link<SessionFrame> {
    return this.#link as Link<SessionFrame>;
  }

  /** Lets the browser in. */
  welcome(welcome: Welcome, sendWindow: number, highWaterMark: number): void {
    if (this.state !== "asking") return;
    const { channels, window: receiveWindow, largest } = welcome;
    this.#enter("connected");
    this.#link = new Link(
      this,
      { channels, sendWindow, receiveWindow, largest },
      highWaterMark,
    );
    this.client.send(encodeWelcome(welcome));
  }

  /**
   * Sends a message over the data channel where it may go there, or queues it.
   *
   * @param token when not 0, the destination is notified with it when the browser has taken the message
   * @param encode the frames for the queue
   * @returns whether the queue is above the high-water mark
   */
  send(
    channelId: number,
    flags: number,
    bytes: Uint8Array,
    token = 0,
    encode: () => readonly SessionFrame[] = () => encodeMessage(channelId, flags, bytes),
  ): boolean {
    const { link } = this;
    if (link.sendPast(channelId, flags, bytes)) return link.isFull;
    return link.send(channelId, flags, encode(), bytes.length, token);
  }

  /** Does not let it in. */
  refuse(data: number): void {
    if (this.state !== "asking") return;
    this.#enter("ended");
    this.client.close(CLOSE.REFUSED, closeReason(data));
    this.#owner.refused(data);
    this.#owner.left(this);
    this.#owner.destination.end(this, { reason: "local", data });
  }

  /** Whether messages wait, because the destination takes none. */
  set held(held: boolean) {
    this.#held = held;
    this.#pause();
  }

  /** Whether messages wait, because a limit is used up. */
  #pause(): void {
    if (this.#link === undefined) return;
    this.#link.inbox.paused = this.#limited || this.#held && !this.#isOver;
  }

  /** Ends it, and drops what waits in either direction. */
  disconnect(code: number, end: PeerEnd): void {
    if (this.state === "leaving" || this.state === "ended") return;
    this.#leaving = end;
    this.#enter("leaving");
    this.#link?.close(true);
    this.client.close(code, closeReason(end.data));
  }

  /** Ends it after everything that is queued. */
  disconnectLater(end: PeerEnd): void {
    if (this.state !== "connected") return;
    this.#leaving = end;
    this.#enter("later");
    this.#owner.touch(this);
  }

  /** Ends it because the gateway closes. */
  dismiss(data: number): void {
    if (this.state === "asking") this.refuse(DisconnectCode.CLOSING);
    else if (this.state === "greeting") this.end(CLOSE.DISCONNECT, { reason: "local", data });
    else this.disconnectLater({ reason: "local", data });
  }

  /** Ends it at once, with a notice. */
  end(code: number, end: PeerEnd): void {
    if (this.state === "ended") return;
    const isSilent = code === CLOSE.TIMEOUT;
    this.#link?.close(true);
    this.client.close(code, closeReason(end.data));
    if (isSilent) this.client.terminate();
    this.#ended(end);
  }

  /** Ends it at once, without a notice. */
  reset(end: PeerEnd): void {
    if (this.state === "ended") return;
    this.#link?.close(true);
    this.client.terminate();
    this.#ended(end);
  }

  // Callbacks of the socket.

  /** A message. */
  receive(bytes: Uint8Array, isText: boolean): void {
    switch (this.state) {
      case "greeting": {
        const hello = isText ? undefined : decodeHello(bytes);
        if (hello === undefined) return this.fault(CLOSE.FAULT, "its first message is no HELLO");
        this.#enter("asking");
        this.hasArrived = true;
        this.#owner.arrived(this);
        return this.#owner.destination.arrive(this, hello);
      }
      case "connected":
      case "later":
        if (isText) return this.fault(CLOSE.FAULT, "a text message");
        this.link.receive(bytes);
        this.#closeIfEmpty();
        return;
      case "asking":
        return this.fault(CLOSE.FAULT, "a message before the WELCOME");
    }
  }

  /** The socket has closed. */
  closed(code: number, reason: string): void {
    if (this.state === "ended") return;
    const link = this.#link;
    link?.close(this.#leaving !== undefined);
    // What came before the end is handed on before it, except for what exceeds a limit.
    this.#isOver = true;
    if (this.#leaving === undefined) this.#pause();
    const end = endOf(code, reason);
    if (end.reason === "reset") this.#warn(`its WebSocket has ended with ${code} ${show(reason)}`);
    this.#ended(
      this.#leaving ??
        { reason: end.reason === "refused" ? "remote" : end.reason, data: end.data },
    );
  }

  /** A few times a second. */
  tick(now: number): void {
    const age = now - this.#since;
    switch (this.state) {
      case "greeting":
        if (age > HELLO_MS) this.fault(CLOSE.FAULT, `no HELLO within ${HELLO_MS} ms`);
        return;
      case "leaving":
        return age > CLOSE_MS ? this.reset(this.#leaving as PeerEnd) : undefined;
      case "later":
        if (now - Math.max(this.#since, this.link.lastProgress) > this.link.timeoutMs) {
          return this.fault(CLOSE.TIMEOUT, "it takes nothing of what was queued before its end");
        }
        return this.link.tick(now);
      case "connected":
        if (this.#limited && !this.#owner.accounts.isUsedUp(this.account)) {
          this.#limited = false;
          this.#pause();
        }
        this.#rtc?.tick(now);
        return this.link.tick(now);
    }
  }

  /** Sends what may be under way. */
  flush(): void {
    if (this.#link === undefined || this.state === "leaving" || this.state === "ended") return;
    this.#link.flush();
    this.#closeIfEmpty();
  }

  #closeIfEmpty(): void {
    if (this.state !== "later" || !this.link.queue.isEmpty) return;
    this.#enter("leaving");
    this.link.close(true);
    this.client.close(CLOSE.DISCONNECT, closeReason((this.#leaving as PeerEnd).data));
  }

  #enter(state: SessionState): void {
    this.state = state;
    this.#since = performance.now();
  }

  /** Once: each of these ends it. */
  #warn(what: string): void {
    const { hostname, client: { port } } = this;
    this.#owner.warn(`Browser ${hostname}:${port}`, what);
  }

  #ended(end: PeerEnd): void {
    this.#enter("ended");
    this.#rtc?.close();
    this.#owner.left(this);
    if (this.hasArrived) this.#owner.destination.end(this, end);
  }

  // Callbacks of the data channel.

  readonly #rtcUser: RtcUser = {
    answered: (answer: RtcAnswer | undefined) => {
      if (this.state === "connected") this.client.send(encodeAnswer(answer));
    },
    opened: (channel: RtcChannel) => {
      if (this.state !== "connected") return channel.close();
      this.link.path = new UnreliablePath(this.link, channel);
    },
    received: (bytes: Uint8Array | undefined) => this.link.path?.receive(bytes),
    abused: (what) => this.fault(CLOSE.FAULT, what),
    closed: () => this.link.path?.close(),
  };

  // Callbacks of the link.

  signal(frame: Uint8Array): boolean {
    const offer = this.#hasOffered ? undefined : decodeOffer(frame);
    if (offer === undefined) return false;
    this.#hasOffered = true;
    if (this.state === "connected") {
      this.#rtc = this.#owner.offered(this, offer, this.#rtcUser);
    }
    return true;
  }

  transmit(frame: SessionFrame): void {
    this.client.send(frame);
  }

  buffered(): number {
    return this.client.queuedBytes;
  }

  message(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.state !== "connected") return;
    const { accounts, destination } = this.#owner;
    if (accounts.exceeds(this.account, bytes.length)) {
      return this.end(CLOSE.LIMIT, { reason: "limit", data: DisconnectCode.LIMIT });
    }
    accounts.take(this.account, bytes.length);
    if (accounts.isUsedUp(this.account)) {
      this.#limited = true;
      this.#pause();
    }
    destination.message(this, channelId, flags, bytes);
  }

  hold(bytes: number): boolean {
    return this.#owner.destination.hold(this, bytes);
  }

  delivered(token: number): void {
    this.#owner.destination.delivered(this, token);
  }

  drained(): void {
    this.#owner.destination.drained(this);
  }

  touched(): void {
    this.#owner.touch(this);
  }

  fault(code: number, what: string): void {
    this.#warn(what);
    const reason = code === CLOSE.TIMEOUT ? "timeout" : code === CLOSE.LIMIT ? "limit" : "reset";
    this.end(code, this.#leaving ?? { reason, data: 0 });
  }
}
