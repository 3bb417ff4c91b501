/**
 * One side of a connection of the subprotocol `enet.1`, once both have said hello. It joins what waits to be sent, how
 * much of it may be under way, and what has arrived; here are acknowledgements, pings and silence. Both sides use it; it
 * knows neither sockets nor timers, and runs in browsers. See `wire.ts` for the frames.
 *
 * @module
 */
import { Fifo } from "../../internal/fifo.ts";
import { type InboxOptions, type InboxOwner, LinkInbox } from "./inbox.ts";
import { LinkPace } from "./pace.ts";
import { type Frame, LinkQueue } from "./queue.ts";
import type { PathLink, UnreliablePath } from "./unreliable_path.ts";
import { CLOSE, CONTROL, encodePing, encodePong, FRAME_COST, HEADER, TYPE, u32 } from "./wire.ts";

/** What a link needs of its side. */
export interface LinkOwner<F extends Frame> extends InboxOwner {
  /** Gives a frame to the socket. */
  transmit(frame: F | Uint8Array): void;
  /** Bytes that wait in the socket. */
  buffered(): number;
  /** A message of a token has been taken by the other side. */
  delivered(token: number): void;
  /** The queue has fallen to half of `highWaterMark`, after a `send` that returned false. */
  drained(): void;
  /** Something wants to be flushed. */
  touched(): void;
  /** Another control frame, of a negotiation. Returns false where it is none. */
  signal(frame: Uint8Array): boolean;
}

/** What both sides have agreed on, and the settings of this one. */
export interface LinkOptions extends InboxOptions {
  /** Cost of frames that the other side takes at once. */
  readonly sendWindow: number;
}

/** A message under way. */
interface Unacknowledged {
  /** What has been sent with its last frame. */
  readonly end: number;
  readonly bytes: number;
  readonly token: number;
}

/** Bytes in the socket above which no PONG is added. */
const STUFFED = 256 * 1024;

/** One side of a connection. */
export class Link<F extends Frame = Uint8Array> implements PathLink {
  readonly channels: number;
  /** Another way for unreliable messages, once there is one. It ends with the link. */
  path: UnreliablePath | undefined;
  readonly #owner: LinkOwner<F>;
  readonly #options: LinkOptions;
  /** Milliseconds of silence after which this side pings, and after which it gives up. */
  pingIntervalMs = 1000;
  timeoutMs = 30_000;
  /** The other side's messages are dropped as if they had not come; it times out. */
  deaf = false;
  /** When something was last sent, and last heard. */
  lastSend: number;
  lastReceive: number;
  /** When the other side last took something, or nothing was under way. */
  lastProgress: number;
  /** Bytes of payloads sent so far. */
  sentBytes = 0;

  /** What waits to be sent, how much of it may be under way, and what has arrived. */
  readonly queue: LinkQueue<F>;
  readonly pace: LinkPace;
  readonly inbox: LinkInbox;
  #full = false;
  /** Cost of what has been sent, and of what the other side has taken. */
  #sent = 0;
  #acknowledged = 0;
  readonly #unacknowledged = new Fifo<Unacknowledged>();
  /** Bytes of these. */
  #unacknowledgedBytes = 0;
  #token = 0;
  /** When the PING under way was sent. */
  #pinged: number | undefined;
  #lastPing: number;
  /** What had been sent with the last PING. */
  #sentAtPing = 0;
  /** Someone waits for the acknowledgement of something sent since the last PING. */
  #asked = false;
  /** Cost of what the other side knows to be taken. */
  #told = 0;
  /** What had been received with the last PONG, where that reported less. */
  #owed: number | undefined;
  /** The token of a PING that was not answered, 0 for a PONG without one. */
  #pong: number | undefined;
  #closed = false;

  constructor(owner: LinkOwner<F>, options: LinkOptions, highWaterMark: number) {
    this.#owner = owner;
    this.#options = options;
    this.channels = options.channels;
    this.queue = new LinkQueue(highWaterMark);
    this.pace = new LinkPace(options.sendWindow);
    this.inbox = new LinkInbox(
      owner,
      () => this.#taken(),
      (channelId) => this.path?.arrived(channelId),
      options,
    );
    this.lastSend =
      this.lastReceive =
      this.lastProgress =
      this.#lastPing =
        performance.now();
  }

  /** Bytes of the program that are queued, or that the other side has not taken. */
  get queuedBytes(): number {
    return this.queue.bytes + this.#unacknowledgedBytes;
  }

  /** Whether more than the high-water mark is queued. */
  get isFull(): boolean {
    return this.queuedCost > this.queue.limitBytes;
  }

  /** Bytes of what is queued or not taken; a message counts as `FRAME_COST` at least. */
  get queuedCost(): number {
    return Math.max(this.queuedBytes, FRAME_COST * this.queuedMessages);
  }

  get queuedMessages(): number {
    return this.queue.messages + this.#unacknowledged.size;
  }

  /** Cost of what is under way. */
  get inFlight(): number {
    return this.#sent - this.#acknowledged;
  }

  /**
   * Nothing more is sent or received.
   *
   * @param drops whether messages that have arrived and were not taken are dropped
   */
  close(drops: boolean): void {
    this.#closed = true;
    this.path?.close();
    this.inbox.close(drops);
  }

  // Sending.

  /**
   * Queues a message.
   *
   * @param bytes its length
   * @param token when not 0, `delivered` is called with it
   * @returns whether the queue is above the high-water mark
   */
  send(channelId: number, flags: number, frames: readonly F[], bytes: number, token = 0): boolean {
    this.queue.push(channelId, flags, frames, bytes, token);
    if (token !== 0) this.#asked = true;
    this.#owner.touched();
    this.#full ||= this.isFull;
    return this.isFull;
  }

  /** Sends an unreliable message past the queue, unless it has to be queued. */
  sendPast(channelId: number, flags: number, bytes: Uint8Array): boolean {
    return this.path !== undefined && !this.#closed && this.path.send(channelId, flags, bytes);
  }

  overtake(channelId: number): number | undefined {
    return this.queue.overtake(channelId);
  }

  passed(bytes: number): void {
    this.lastSend = performance.now();
    this.sentBytes += bytes;
  }

  /** Gives to the socket what may be under way. */
  flush(): void {
    this.queue.beginBatch();
    if (this.#closed) return;
    this.#answer();
    while (this.inFlight < this.pace.allowed) {
      const message = this.queue.take();
      if (message === undefined) break;
      const { frames, sent, bytes, token } = message;
      const frame = frames[sent - 1];
      this.#sent += frame.byteLength - HEADER + FRAME_COST;
      this.#put(frame);
      if (sent < frames.length) continue;
      this.sentBytes += bytes;
      this.#unacknowledgedBytes += bytes;
      this.#unacknowledged.push({ end: this.#sent, bytes, token });
    }
    if (this.#sent > this.#sentAtPing) {
      const isDue = this.#asked || this.inFlight * 2 >= this.pace.allowed;
      if (isDue) this.ping();
    }
  }

  #put(frame: F | Uint8Array): void {
    this.lastSend = performance.now();
    this.#owner.transmit(frame);
  }

  /** Sends a PING, unless one is under way. */
  ping(): void {
    if (this.#pinged !== undefined || this.#closed) return;
    this.#token = this.#token % 0xFFFFFFFF + 1;
    this.#pinged = this.#lastPing = performance.now();
    this.#sentAtPing = this.#sent;
    this.#asked = false;
    this.#put(encodePing(this.#token));
  }

  /** A PONG has come. */
  #ponged(token: number, taken: number, now: number): void {
    const progress = (taken - this.#acknowledged % 2 ** 32 + 2 ** 32) % 2 ** 32;
    if (progress > this.inFlight) return this.#fault("a PONG for more than was sent");
    if (token !== 0) {
      if (this.#pinged === undefined || token !== this.#token) {
        return this.#fault("a PONG without a PING");
      }
      this.pace.measure(now - this.#pinged);
      this.#pinged = undefined;
    }
    this.#acknowledged += progress;
    if (progress > 0 || this.inFlight === 0) this.lastProgress = now;
    for (
      let next = this.#unacknowledged.peek();
      next !== undefined && next.end <= this.#acknowledged;
      next = this.#unacknowledged.peek()
    ) {
      this.#unacknowledged.shift();
      this.#unacknowledgedBytes -= next.bytes;
      if (next.token !== 0) this.#owner.delivered(next.token);
    }
    if (this.#full && this.queuedCost * 2 <= this.queue.limitBytes) {
      this.#full = false;
      this.#owner.drained();
    }
    this.flush();
  }

  /** To be called a few times a second: pings, and looks at the silence. */
  tick(now: number): void {
    if (this.#closed) return;
    if (now - this.lastReceive >= this.timeoutMs) {
      return this.#owner.fault(CLOSE.TIMEOUT, `nothing was heard for ${this.timeoutMs} ms`);
    }
    if (this.inFlight === 0) this.lastProgress = now;
    if (now - this.#lastPing >= this.pingIntervalMs) this.ping();
    if (this.#pong !== undefined) this.#answer();
    this.path?.tick(now);
  }

  // Receiving.

  cameBefore(channelId: number): number {
    return this.inbox.cameBefore(channelId);
  }

  accept(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#closed && !this.deaf) this.inbox.accept(channelId, flags, bytes);
  }

  reject(): void {
    this.#fault("no frame of a channel");
  }

  /** A message of the socket. */
  receive(bytes: Uint8Array): void {
    if (this.#closed || this.deaf) return;
    this.lastReceive = performance.now();
    if (bytes[0] === CONTROL) this.#control(bytes);
    else this.inbox.receive(bytes);
  }

  #control(bytes: Uint8Array): void {
    const [, type] = bytes;
    if (type === TYPE.PING && bytes.length === 6 && u32(bytes, HEADER) !== 0) {
      this.#pong = u32(bytes, HEADER);
      this.#owner.touched();
    } else if (type === TYPE.PONG && bytes.length === 10) {
      this.#ponged(u32(bytes, HEADER), u32(bytes, HEADER + 4), this.lastReceive);
    } else if (!this.#owner.signal(bytes)) this.#fault("no control frame");
  }

  /** Something has been taken: reports it where the other side may wait for that. */
  #taken(): void {
    if (this.#pong !== undefined || this.#closed || this.#owed === undefined) return;
    // The other side knows of a PING that it was answered for less than it had sent.
    const { taken } = this.inbox;
    const isMuch = (taken - this.#told) * 4 >= this.#options.receiveWindow;
    if (!isMuch && taken < this.#owed) return;
    this.#pong = 0;
    this.#owner.touched();
  }

  /** Sends the PONG that is due, unless the other side does not read. */
  #answer(): void {
    if (this.#pong === undefined || this.#owner.buffered() > STUFFED) return;
    const token = this.#pong;
    const { taken, received } = this.inbox;
    this.#pong = undefined;
    this.#told = taken;
    this.#owed = taken < received ? received : undefined;
    this.#put(encodePong(token, taken));
  }

  #fault(what: string): void {
    this.#owner.fault(CLOSE.FAULT, what);
  }
}
