/**
 * The way of unreliable messages over a data channel of WebRTC, beside the WebSocket of a link. A message that can't go
 * there now goes over the WebSocket: `send` says so. Both sides use this file; it knows neither sockets nor timers, and
 * runs in browsers.
 *
 * What comes over the channel keeps the order that ENet gives. An unreliable message does not overtake the messages of
 * its channel that went over the WebSocket before it: it waits for them. It is dropped where a later one of its channel
 * has arrived before. Unsequenced ones arrive as they come.
 *
 *     message of a sequenced kind   channel u8 | flags u8 | after u16 | sequence u32 | payload
 *     unsequenced message           channel u8 | flags u8 | payload
 *     PING, PONG                    255 | 3 or 4 | token u32
 *
 * `after` counts the messages of the channel, reliable and unreliable ones but not unsequenced ones, that were sent over
 * the WebSocket before it, modulo 2¹⁶. `sequence` grows with each message of the channel that has one, from 1.
 *
 * A side uses the channel only while its PINGs are answered. So where a network stops passing UDP, the messages take the
 * WebSocket within some seconds, and come back when UDP does.
 *
 * @module
 */
import { CONTROL, FLAGS, FRAGMENT, HEADER, TYPE, u32, UNSEQUENCED } from "./wire.ts";

/** A data channel that is open. */
export interface RtcChannel {
  /** Bytes that wait in it. */
  buffered(): number;
  /** Sends a message, or throws. */
  send(bytes: Uint8Array): void;
  /** Ends it, and the connection below. */
  close(): void;
}

/** The part of a link that the path needs. */
export interface PathLink {
  readonly channels: number;
  /** Drops what the next unreliable message makes obsolete; undefined where that has to wait behind one that waits. */
  overtake(channelId: number): number | undefined;
  /** Messages of a sequenced kind that have come over the WebSocket, modulo 2¹⁶. */
  cameBefore(channelId: number): number;
  /** Takes a message, or drops it because too much waits. */
  accept(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void;
  /** A message has gone another way. */
  passed(bytes: number): void;
  /** The other side has broken the rules. */
  reject(what: string): void;
}

/** Bytes of a message that ENet would put into one datagram; a larger one needs the flag for fragments. */
const MOST_WHOLE = 1400;
/** Bytes that may wait in a channel; behind them, the WebSocket is no slower. */
const MOST_BUFFERED = 16 * 1024;
/** Milliseconds between PINGs, and without a PONG after which the channel is not used. */
const PING_MS = 500;
const SILENT_MS = 3000;
/** What may wait for messages of the WebSocket: bytes and messages. */
const MOST_EARLY_BYTES = 32 * 1024;
const MOST_EARLY = 64;
/** Bytes before the payload. */
const SEQUENCED_HEADER = 8;

/** A message that came before one that it has to follow. */
interface Early {
  readonly channelId: number;
  readonly flags: number;
  readonly after: number;
  readonly sequence: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** One end of a data channel. */
export class UnreliablePath {
  readonly #link: PathLink;
  readonly #channel: RtcChannel;
  /** The last sequence numbers that were sent and received, by channel. */
  readonly #sent: number[] = [];
  readonly #got: number[] = [];
  #early: Early[] = [];
  #earlyBytes = 0;
  #token = 0;
  #pingedAt = -Infinity;
  #answeredAt = 0;
  #isAnswered = false;
  #closed = false;
  /** Messages that were sent and taken this way, and those that came too late or waited in vain. */
  sentMessages = 0;
  receivedMessages = 0;
  lateMessages = 0;

  constructor(link: PathLink, channel: RtcChannel) {
    this.#link = link;
    this.#channel = channel;
    this.tick(performance.now());
  }

  /** Whether messages go this way now. */
  get isOpen(): boolean {
    return this.#isAnswered && !this.#closed;
  }

  /** Sends a message. Returns false where it has to go over the WebSocket. */
  send(channelId: number, flags: number, bytes: Uint8Array): boolean {
    const most = (flags & 8) !== 0 ? FRAGMENT : MOST_WHOLE;
    if ((flags & 1) !== 0 || bytes.length > most || !this.isOpen) return false;
    if (this.#channel.buffered() > MOST_BUFFERED) return false;
    const isSequenced = (flags & UNSEQUENCED) === 0;
    const header = isSequenced ? SEQUENCED_HEADER : HEADER;
    const frame = new Uint8Array(header + bytes.length);
    frame[0] = channelId;
    frame[1] = flags;
    frame.set(bytes, header);
    if (isSequenced) {
      const after = this.#link.overtake(channelId);
      if (after === undefined) return false;
      const sequence = this.#sent[channelId] = ((this.#sent[channelId] ?? 0) + 1) >>> 0;
      const view = new DataView(frame.buffer);
      view.setUint16(HEADER, after);
      view.setUint32(HEADER + 2, sequence);
    }
    if (!this.#put(frame)) return false;
    this.sentMessages++;
    this.#link.passed(bytes.length);
    return true;
  }

  #put(frame: Uint8Array): boolean {
    try {
      this.#channel.send(frame);
      return true;
    } catch {
      this.close(); // it has been closed, and will say so
      return false;
    }
  }

  /** To be called a few times a second. */
  tick(now: number): void {
    if (now - this.#answeredAt >= SILENT_MS) this.#isAnswered = false;
    if (this.#closed || now - this.#pingedAt < PING_MS) return;
    this.#pingedAt = now;
    this.#token = (this.#token + 1) >>> 0;
    this.#control(TYPE.PING, this.#token);
  }

  #control(type: number, token: number): void {
    if (this.#channel.buffered() > MOST_BUFFERED) return;
    const frame = new Uint8Array(6);
    frame.set([CONTROL, type]);
    new DataView(frame.buffer).setUint32(HEADER, token);
    this.#put(frame);
  }

  /** A message of the channel; undefined stands for text. */
  receive(bytes: Uint8Array | undefined): void {
    if (this.#closed) return;
    if (bytes === undefined || bytes.length < HEADER) return this.#link.reject("no frame");
    const [channelId, flags] = bytes;
    if (channelId === CONTROL) return this.#answer(flags, bytes);
    const isSequenced = (flags & UNSEQUENCED) === 0;
    const payload = bytes.slice(isSequenced ? SEQUENCED_HEADER : HEADER) as Uint8Array<ArrayBuffer>;
    const isData = channelId < this.#link.channels && FLAGS.includes(flags) && (flags & 1) === 0 &&
      payload.length <= FRAGMENT && !(isSequenced && bytes.length < SEQUENCED_HEADER);
    if (!isData) return this.#link.reject("no frame of data");
    if (!isSequenced) return this.#take(channelId, flags, payload);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const after = view.getUint16(HEADER);
    this.#inOrder({
      channelId,
      flags,
      after,
      sequence: view.getUint32(HEADER + 2),
      bytes: payload,
    });
  }

  #answer(type: number, bytes: Uint8Array): void {
    if (bytes.length !== 6) return this.#link.reject("an unknown control frame");
    const token = u32(bytes, HEADER);
    if (type === TYPE.PING) this.#control(TYPE.PONG, token);
    else if (type !== TYPE.PONG) this.#link.reject("an unknown control frame");
    else if ((this.#token - token) >>> 0 < SILENT_MS / PING_MS) {
      this.#answeredAt = performance.now();
      this.#isAnswered = true;
    }
  }

  #take(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.receivedMessages++;
    this.#link.accept(channelId, flags, bytes);
  }

  /** Gives out a message, lets it wait or drops it. */
  #inOrder(message: Early): void {
    const { channelId, flags, after, sequence, bytes } = message;
    const ahead = (after - this.#link.cameBefore(channelId)) << 16 >> 16;
    const isNewer = ((sequence - (this.#got[channelId] ?? 0)) | 0) > 0;
    if (ahead < 0 || !isNewer) return void this.lateMessages++;
    if (ahead > 0) return this.#wait(message);
    this.#got[channelId] = sequence;
    this.#take(channelId, flags, bytes);
  }

  #wait(message: Early): void {
    this.#early.push(message);
    this.#earlyBytes += message.bytes.length;
    while (this.#earlyBytes > MOST_EARLY_BYTES || this.#early.length > MOST_EARLY) {
      this.#earlyBytes -= this.#early.shift()!.bytes.length;
      this.lateMessages++;
    }
  }

  /** A message of a sequenced kind has come over the WebSocket, and has been given out. */
  arrived(channelId: number): void {
    if (this.#early.length === 0) return;
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    for (const message of early) {
      if (message.channelId === channelId) this.#inOrder(message);
      else this.#wait(message);
    }
  }

  /** Ends it. What waits is dropped. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#early = [];
    this.#channel.close();
  }
}
