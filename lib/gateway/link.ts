/**
 * One side of a connection of the subprotocol `enet.1`, once both have said hello: what waits to be sent, how much of it
 * may be under way, what has arrived and was not taken, and the round trip. Both sides use it; it knows neither sockets
 * nor timers, and runs in browsers. See `wire.ts` for the frames.
 *
 * Messages wait in a queue for each channel; the channels take turns, a frame each. So a large message delays others
 * by one frame. How much is under way follows the round trip: while it grows well beyond the shortest one seen,
 * the network or the other side keeps a queue, and less is sent. What waits here can still be replaced: an unreliable
 * message takes the place of those that were sent on its channel before, in an earlier `flush`, and still wait.
 *
 * @module
 */
import { Fifo } from "../internal/fifo.ts";
import type { PathLink, UnreliablePath } from "./unreliable_path.ts";
import {
  CLOSE,
  CONTROL,
  encodePing,
  encodePong,
  FRAGMENT,
  FRAME_COST,
  HEADER,
  isDataFrame,
  MORE,
  TYPE,
  u32,
  UNSEQUENCED,
} from "./wire.ts";

/** A frame, in whatever form its socket takes it. */
interface Frame {
  readonly byteLength: number;
}

/** What a link needs of its side. */
export interface LinkOwner<F extends Frame> {
  /** Gives a frame to the socket. */
  transmit(frame: F | Uint8Array): void;
  /** Bytes that wait in the socket. */
  buffered(): number;
  /** A message has arrived. Not called while the link is paused. */
  message(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void;
  /** A message of a token has been taken by the other side. */
  delivered(token: number): void;
  /** The queue has fallen to half of `highWaterMark`, after a `send` that returned false. */
  drained(): void;
  /** Something wants to be flushed. */
  touched(): void;
  /** Another control frame, which begins or ends a negotiation. Returns false where it is none. */
  signal(frame: Uint8Array): boolean;
  /** Memory of an incomplete message has grown by so many bytes. Returns false where that is too much. */
  hold(bytes: number): boolean;
  /** The other side has broken the rules or has fallen silent; a code of `CLOSE`. */
  fault(code: number, what: string): void;
}

/** What both sides have agreed on, and the settings of this one. */
export interface LinkOptions {
  readonly channels: number;
  /** Of the other side. */
  readonly sendWindow: number;
  /** Of this side. */
  readonly receiveWindow: number;
  /** Bytes of the largest message that this side takes. */
  readonly largest: number;
}

/** A message that waits or is under way. */
interface Outgoing<F extends Frame> {
  frames: readonly F[];
  /** How many of them have been sent. */
  sent: number;
  readonly bytes: number;
  readonly token: number;
  readonly replaceable: boolean;
  readonly unreliable: boolean;
  dropped: boolean;
}

/** The messages of a channel that wait. */
interface Channel<F extends Frame> {
  readonly messages: Fifo<Outgoing<F>>;
  /** The unreliable ones of them of which nothing has been sent. */
  readonly unreliable: Fifo<Outgoing<F>>;
  /** Bytes of these. */
  unreliableBytes: number;
  /** How many of these are of a sequenced kind, so that a newer one replaces them. */
  replaceable: number;
  /** Messages of a sequenced kind that were queued, and not dropped. */
  sequenced: number;
  /** The `flush` before which the latest one of them was queued that can be replaced. */
  batch: number;
  /** How many of `messages` have been dropped. */
  dropped: number;
  /** It is in the list of those that wait for their turn. */
  ready: boolean;
}

/** A message under way. */
interface Unacknowledged {
  /** What has been sent with its last frame. */
  readonly end: number;
  readonly bytes: number;
  readonly token: number;
}

/** A message that has arrived and was not taken. */
interface Arrived {
  readonly channelId: number;
  readonly flags: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What is taken with it: its last frame, and parts of another message that have come behind it. */
  cost: number;
}

/** Cost that may be under way at first, and at least. */
const FIRST_ALLOWED = 32 * 1024;
const LEAST_ALLOWED = 8 * 1024;
/** Milliseconds by which a round trip may be longer than twice the shortest. */
const TOLERATED_MS = 40;
/** Bytes in the socket above which no PONG is added. */
const STUFFED = 256 * 1024;

/** One side of a connection. */
export class Link<F extends Frame = Uint8Array> implements PathLink {
  readonly channels: number;
  /** Another way for unreliable messages, once there is one. It ends with the link. */
  path: UnreliablePath | undefined;
  readonly #owner: LinkOwner<F>;
  readonly #options: LinkOptions;
  highWaterMark: number;
  /** Milliseconds of silence after which this side pings, and after which it gives up. */
  pingIntervalMs = 1000;
  timeoutMs = 30_000;
  /** The other side's messages are dropped as if they had not come; it times out. */
  deaf = false;
  /** Smoothed, in milliseconds; 0 before the first. */
  roundTripTime = 0;
  roundTripTimeVariance = 0;
  /** Unreliable messages that were dropped while they waited. */
  dropped = 0;
  /** When something was last sent, and last heard. */
  lastSend: number;
  lastReceive: number;
  /** When the other side last took something, or nothing was under way. */
  lastProgress: number;
  /** Bytes of payloads so far. */
  sentBytes = 0;
  receivedBytes = 0;

  readonly #queues = new Map<number, Channel<F>>();
  readonly #ready: Channel<F>[] = [];
  /** The channel of which a message is being sent in parts. */
  #parted: Channel<F> | undefined;
  #batch = 0;
  #queuedBytes = 0;
  #queuedMessages = 0;
  #full = false;
  /** Cost of what has been sent, and of what the other side has taken. */
  #sent = 0;
  #acknowledged = 0;
  readonly #unacknowledged = new Fifo<Unacknowledged>();
  #allowed: number;
  #shortest = Infinity;
  #token = 0;
  /** When the PING under way was sent. */
  #pinged: number | undefined;
  #lastPing: number;
  /** What had been sent with the last PING. */
  #sentAtPing = 0;
  /** Someone waits for the acknowledgement of something sent since the last PING. */
  #asked = false;

  /** Cost of what has come, of what has been taken, and of what the other side knows to be taken. */
  #received = 0;
  #taken = 0;
  #told = 0;
  /** What had been received with the last PONG, where that told of less. */
  #owed: number | undefined;
  /** The token of a PING that was not answered, 0 for a PONG without one. */
  #pong: number | undefined;
  /** Parts of a message, and its channel and flags. */
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #partsBytes = 0;
  #partsOf = -1;
  readonly #arrived = new Fifo<Arrived>();
  #arrivedBytes = 0;
  /** Messages of a sequenced kind that have come, by channel. */
  readonly #came: Uint16Array;
  /** The last one of them. */
  #last: Arrived | undefined;
  #paused = false;
  #closed = false;

  constructor(owner: LinkOwner<F>, options: LinkOptions, highWaterMark: number) {
    this.#owner = owner;
    this.#options = options;
    this.channels = options.channels;
    this.#came = new Uint16Array(options.channels);
    this.highWaterMark = highWaterMark;
    this.#allowed = Math.min(options.sendWindow, FIRST_ALLOWED);
    this.lastSend =
      this.lastReceive =
      this.lastProgress =
      this.#lastPing =
        performance.now();
  }

  /** Bytes of the program that are queued, or that the other side has not taken. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get queuedMessages(): number {
    return this.#queuedMessages;
  }

  /** Cost of what is under way. */
  get inFlight(): number {
    return this.#sent - this.#acknowledged;
  }

  /** Cost that may be under way now. */
  get allowed(): number {
    return this.#allowed;
  }

  /** Bytes that have arrived and were not taken. */
  get waitingBytes(): number {
    return this.#arrivedBytes + this.#partsBytes;
  }

  /**
   * Nothing more is sent or received.
   *
   * @param drops whether messages that have arrived and were not taken are dropped
   */
  close(drops: boolean): void {
    this.#closed = true;
    this.path?.close();
    if (this.#partsBytes > 0) this.#owner.hold(-this.#partsBytes);
    this.#partsBytes = 0;
    this.#parts = [];
    if (!drops) return;
    this.#arrived.extract(() => true);
    this.#arrivedBytes = 0;
  }

  /** Whether a message waits that has arrived. */
  get waits(): boolean {
    return this.#arrived.size > 0;
  }

  /** Whether everything that was queued has been given to the socket. */
  get empty(): boolean {
    return this.#ready.every((channel) => this.#next(channel) === undefined);
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
    let channel = this.#queues.get(channelId);
    if (channel === undefined) {
      channel = {
        messages: new Fifo<Outgoing<F>>(),
        unreliable: new Fifo<Outgoing<F>>(),
        unreliableBytes: 0,
        replaceable: 0,
        sequenced: 0,
        batch: -1,
        dropped: 0,
        ready: false,
      };
      this.#queues.set(channelId, channel);
    }
    const message: Outgoing<F> = {
      frames,
      sent: 0,
      bytes,
      token,
      replaceable: (flags & 3) === 0,
      unreliable: (flags & 1) === 0,
      dropped: false,
    };
    this.#queuedBytes += bytes;
    this.#queuedMessages++;
    if (message.unreliable) this.#enter(channel, message);
    if ((flags & UNSEQUENCED) === 0) channel.sequenced++;
    channel.messages.push(message);
    if (!channel.ready) {
      channel.ready = true;
      this.#ready.push(channel);
    }
    if (token !== 0) this.#asked = true;
    this.#owner.touched();
    if (this.#queuedBytes > this.highWaterMark) this.#full = true;
    return this.#queuedBytes > this.highWaterMark;
  }

  /** Sends an unreliable message past the queue, unless it has to be queued. */
  sendPast(channelId: number, flags: number, bytes: Uint8Array): boolean {
    return this.path !== undefined && !this.#closed && this.path.send(channelId, flags, bytes);
  }

  overtake(channelId: number): number | undefined {
    const channel = this.#queues.get(channelId);
    if (channel === undefined) return 0;
    this.#replace(channel);
    return channel.replaceable > 0 ? undefined : channel.sequenced & 0xFFFF;
  }

  passed(bytes: number): void {
    this.lastSend = performance.now();
    this.sentBytes += bytes;
  }

  /** Drops what an unreliable message of a sequenced kind makes obsolete. */
  #replace(channel: Channel<F>): void {
    if (channel.batch === this.#batch) return;
    channel.batch = this.#batch;
    if (channel.replaceable === 0) return;
    for (const old of channel.unreliable.extract(({ replaceable }) => replaceable)) {
      this.#drop(channel, old);
    }
  }

  /** Counts an unreliable message, and drops what it makes obsolete, and the oldest where too much waits. */
  #enter(channel: Channel<F>, message: Outgoing<F>): void {
    const { unreliable } = channel;
    if (message.replaceable) this.#replace(channel);
    while (unreliable.size > 0 && channel.unreliableBytes + message.bytes > this.highWaterMark) {
      this.#drop(channel, unreliable.shift()!);
    }
    channel.unreliableBytes += message.bytes;
    if (message.replaceable) channel.replaceable++;
    unreliable.push(message);
  }

  #drop(channel: Channel<F>, message: Outgoing<F>): void {
    message.dropped = true;
    message.frames = [];
    channel.unreliableBytes -= message.bytes;
    if (message.replaceable) {
      channel.replaceable--;
      channel.sequenced--;
    }
    this.#leave(message.bytes);
    this.dropped++;
    if (++channel.dropped * 2 > channel.messages.size + 16) {
      channel.messages.extract(({ dropped }) => dropped);
      channel.dropped = 0;
    }
  }

  /** Gives to the socket what may be under way. */
  flush(): void {
    this.#batch++;
    if (this.#closed) return;
    this.#answer();
    const ready = this.#ready;
    let skipped = 0;
    while (ready.length > skipped && this.inFlight < this.#allowed) {
      const channel = ready[skipped];
      const message = this.#next(channel);
      if (message === undefined) {
        ready.splice(skipped, 1);
        channel.ready = false;
        continue;
      }
      const isParted = message.frames.length > 1;
      if (isParted && this.#parted !== undefined && this.#parted !== channel) {
        skipped++;
        continue;
      }
      ready.splice(skipped, 1);
      ready.push(channel);
      this.#transmit(channel, message);
      skipped = 0;
    }
    if (this.#sent > this.#sentAtPing) {
      const isDue = this.#asked || this.inFlight * 2 >= this.#allowed;
      if (isDue) this.ping();
    }
  }

  /** The next message of a channel. */
  #next(channel: Channel<F>): Outgoing<F> | undefined {
    for (;;) {
      const message = channel.messages.peek();
      if (message === undefined || !message.dropped) return message;
      channel.messages.shift();
      channel.dropped--;
    }
  }

  #transmit(channel: Channel<F>, message: Outgoing<F>): void {
    if (message.unreliable && message.sent === 0) {
      channel.unreliable.shift();
      channel.unreliableBytes -= message.bytes;
      if (message.replaceable) channel.replaceable--;
    }
    const frame = message.frames[message.sent++];
    this.#sent += frame.byteLength - HEADER + FRAME_COST;
    this.#put(frame);
    const isLast = message.sent === message.frames.length;
    this.#parted = isLast ? (this.#parted === channel ? undefined : this.#parted) : channel;
    if (!isLast) return;
    channel.messages.shift();
    this.sentBytes += message.bytes;
    const { bytes, token } = message;
    this.#unacknowledged.push({ end: this.#sent, bytes, token });
  }

  #put(frame: F | Uint8Array): void {
    this.lastSend = performance.now();
    this.#owner.transmit(frame);
  }

  /** Counts bytes no more. */
  #leave(bytes: number): void {
    this.#queuedBytes -= bytes;
    this.#queuedMessages--;
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
    if (progress > this.inFlight) return this.#fault("no such PONG");
    if (token !== 0) {
      if (this.#pinged === undefined || token !== this.#token) {
        return this.#fault("no such PONG");
      }
      this.#measure(now - this.#pinged);
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
      this.#leave(next.bytes);
      if (next.token !== 0) this.#owner.delivered(next.token);
    }
    if (this.#full && this.#queuedBytes * 2 <= this.highWaterMark) {
      this.#full = false;
      this.#owner.drained();
    }
    this.flush();
  }

  /** A round trip of so many milliseconds. */
  #measure(sample: number): void {
    if (this.#shortest === Infinity) {
      this.roundTripTime = sample;
      this.roundTripTimeVariance = sample / 2;
    } else {
      const difference = sample - this.roundTripTime;
      this.roundTripTime += difference / 8;
      this.roundTripTimeVariance += (Math.abs(difference) - this.roundTripTimeVariance) / 4;
    }
    // A route may become longer: the shortest follows within some hundred round trips.
    this.#shortest = Math.min(sample, this.#shortest + Math.max(0, sample - this.#shortest) / 128);
    const { sendWindow } = this.#options;
    const isLate = sample > 2 * this.#shortest + TOLERATED_MS;
    this.#allowed = isLate
      ? Math.max(this.#allowed / 2, Math.min(LEAST_ALLOWED, sendWindow))
      : Math.min(this.#allowed * 2, sendWindow);
  }

  /** To be called a few times a second: pings, and looks at the silence. */
  tick(now: number): void {
    if (this.#closed) return;
    if (now - this.lastReceive >= this.timeoutMs) {
      return this.#owner.fault(CLOSE.TIMEOUT, "silence");
    }
    if (this.inFlight === 0) this.lastProgress = now;
    if (now - this.#lastPing >= this.pingIntervalMs) this.ping();
    if (this.#pong !== undefined) this.#answer();
    this.path?.tick(now);
  }

  // Receiving.

  /** Messages that arrive wait here, and the other side is held back when its window is used up. */
  get paused(): boolean {
    return this.#paused;
  }
  set paused(paused: boolean) {
    this.#paused = paused;
    while (!this.#paused && this.#arrived.size > 0) {
      const { channelId, flags, bytes, cost } = this.#arrived.shift()!;
      this.#arrivedBytes -= bytes.length;
      this.#take(cost);
      this.#owner.message(channelId, flags, bytes);
    }
  }

  /** A message of the socket. */
  receive(bytes: Uint8Array): void {
    if (this.#closed || this.deaf) return;
    this.lastReceive = performance.now();
    if (bytes[0] === CONTROL) return this.#control(bytes);
    if (!isDataFrame(bytes, this.channels)) return this.#fault("no frame of data");
    const payload = bytes.slice(HEADER) as Uint8Array<ArrayBuffer>;
    const cost = payload.length + FRAME_COST;
    this.#received += cost;
    const { receiveWindow } = this.#options;
    if (this.#received - this.#taken >= receiveWindow + FRAGMENT + FRAME_COST) {
      return this.#fault("beyond the window");
    }
    this.receivedBytes += payload.length;
    const kind = bytes[0] << 8 | bytes[1] & ~MORE;
    const isPart = (bytes[1] & MORE) !== 0;
    if (isPart || this.#partsOf === kind) this.#part(kind, isPart, payload, cost);
    else if (this.#partsOf >>> 8 === bytes[0] && this.#partsOf !== -1) {
      this.#fault("mixed parts");
    } else this.#arrive(kind, payload, cost);
  }

  #part(kind: number, isPart: boolean, payload: Uint8Array<ArrayBuffer>, cost: number): void {
    if (this.#partsOf !== -1 && this.#partsOf !== kind) return this.#fault("mixed parts");
    const length = this.#partsBytes + payload.length;
    if (length > this.#options.largest) return this.#fault("too large");
    this.#partsOf = kind;
    this.#parts.push(payload);
    if (isPart) {
      this.#partsBytes = length;
      if (!this.#owner.hold(payload.length)) {
        return this.#owner.fault(CLOSE.LIMIT, "no memory");
      }
      // What has been taken is told as a sum, so frames are taken in their order.
      if (this.#arrived.size > 0) this.#last!.cost += cost;
      else this.#take(cost);
      return;
    }
    const whole = new Uint8Array(length);
    let offset = 0;
    for (const part of this.#parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    this.#owner.hold(-this.#partsBytes);
    this.#parts = [];
    this.#partsBytes = 0;
    this.#partsOf = -1;
    this.#arrive(kind, whole, cost);
  }

  #arrive(kind: number, bytes: Uint8Array<ArrayBuffer>, cost: number): void {
    if (bytes.length > this.#options.largest) return this.#fault("too large");
    const [channelId, flags] = [kind >>> 8, kind & 0xFF];
    if (this.#paused) {
      this.#arrivedBytes += bytes.length;
      this.#arrived.push(this.#last = { channelId, flags, bytes, cost });
    } else {
      this.#take(cost);
      this.#owner.message(channelId, flags, bytes);
    }
    if ((flags & UNSEQUENCED) !== 0) return;
    this.#came[channelId]++;
    this.path?.arrived(channelId);
  }

  cameBefore(channelId: number): number {
    return this.#came[channelId];
  }

  accept(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#closed || this.deaf) return;
    this.receivedBytes += bytes.length;
    if (!this.#paused) return this.#owner.message(channelId, flags, bytes);
    const { receiveWindow } = this.#options;
    const waits = this.#arrivedBytes + this.#arrived.size * FRAME_COST;
    if (waits + bytes.length > receiveWindow) return;
    this.#arrivedBytes += bytes.length;
    this.#arrived.push(this.#last = { channelId, flags, bytes, cost: 0 });
  }

  reject(): void {
    this.#fault("no frame of data");
  }

  /** Counts what has been taken; tells it where the other side may wait for that. */
  #take(cost: number): void {
    this.#taken += cost;
    if (this.#pong !== undefined || this.#closed) return;
    const isMuch = (this.#taken - this.#told) * 4 >= this.#options.receiveWindow;
    // The other side knows of a PING that it was answered for less than it had sent.
    const isOwed = this.#owed !== undefined && (isMuch || this.#taken >= this.#owed);
    if (!isOwed) return;
    this.#pong = 0;
    this.#owner.touched();
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

  /** Sends the PONG that is due, unless the other side does not read. */
  #answer(): void {
    if (this.#pong === undefined || this.#owner.buffered() > STUFFED) return;
    const token = this.#pong;
    this.#pong = undefined;
    this.#told = this.#taken;
    this.#owed = this.#taken < this.#received ? this.#received : undefined;
    this.#put(encodePong(token, this.#taken));
  }

  #fault(what: string): void {
    this.#owner.fault(CLOSE.FAULT, what);
  }
}
