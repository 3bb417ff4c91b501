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
 *     PING, PONG                    as over the WebSocket; PONG says 0 where that says what was taken
 *
 * `after` counts the messages of the channel, reliable and unreliable ones but not unsequenced ones, that were sent over
 * the WebSocket before it, modulo 2¹⁶. `sequence` grows with each message of the channel that has one, from 1.
 *
 * A side uses the channel only while its PINGs are answered. So where a network stops passing UDP, the messages take the
 * WebSocket within some seconds, and come back when UDP does.
 *
 * @module
 */
import {
  CONTROL,
  encodePing,
  encodePong,
  FLAGS,
  FRAGMENT,
  FRAME_COST,
  HEADER,
  TYPE,
  u32,
  UNSEQUENCED,
} from "./wire.ts";

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
  /** The other side has broken the rules of the channel. */
  reject(): void;
}

/** Bytes of a message that ENet would put into one datagram; a larger one needs the flag for fragments. */
const MOST_WHOLE = 1400;
/** Bytes that may wait in a channel; behind them, the WebSocket is no slower. */
const MOST_BUFFERED = 16 * 1024;
/** Milliseconds between PINGs, and without a PONG after which the channel is not used. */
const PING_MS = 500;
const SILENT_MS = 3000;
/** Cost of the messages that may wait for those of the WebSocket. */
const MOST_EARLY = 32 * 1024;
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
  #earlyCost = 0;
  #token = 0;
  #pingedAt = -Infinity;
  #answeredAt = 0;
  #isAnswered = false;
  #closed = false;

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
    const header = [channelId, flags];
    if ((flags & UNSEQUENCED) === 0) {
      const after = this.#link.overtake(channelId);
      if (after === undefined) return false;
      const n = this.#sent[channelId] = (this.#sent[channelId] ?? 0) + 1;
      header.push(after >> 8, after, n >>> 24, n >>> 16, n >>> 8, n); // each modulo 256
    }
    const frame = new Uint8Array(header.length + bytes.length);
    frame.set(header);
    frame.set(bytes, header.length);
    if (!this.#put(frame)) return false;
    this.#link.passed(bytes.length);
    return true;
  }

  #put(frame: Uint8Array): boolean {
    if (this.#channel.buffered() > MOST_BUFFERED) return false;
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
    this.#put(encodePing(++this.#token));
  }

  /** A message of the channel; undefined stands for text. */
  receive(bytes: Uint8Array | undefined): void {
    if (this.#closed) return;
    const [channelId, flags] = bytes ?? [];
    const isSequenced = (flags & UNSEQUENCED) === 0;
    const header = isSequenced ? SEQUENCED_HEADER : HEADER;
    if (channelId === CONTROL && bytes!.length >= 6) this.#control(flags, u32(bytes!, HEADER));
    else if (
      channelId < this.#link.channels && FLAGS.includes(flags) && (flags & 1) === 0 &&
      bytes!.length >= header && bytes!.length <= header + FRAGMENT
    ) {
      const payload = bytes!.slice(header) as Uint8Array<ArrayBuffer>;
      if (!isSequenced) return this.#link.accept(channelId, flags, payload);
      const after = bytes![2] << 8 | bytes![3];
      const sequence = u32(bytes!, HEADER + 2);
      this.#inOrder({ channelId, flags, after, sequence, bytes: payload });
    } else this.#link.reject();
  }

  #control(type: number, token: number): void {
    if (type === TYPE.PING) this.#put(encodePong(token, 0));
    else if (type !== TYPE.PONG) this.#link.reject();
    else if ((this.#token - token) >>> 0 < SILENT_MS / PING_MS) {
      this.#answeredAt = performance.now();
      this.#isAnswered = true;
    }
  }

  /** Gives out a message, lets it wait or drops it. */
  #inOrder(message: Early): void {
    const { channelId, flags, after, sequence, bytes } = message;
    const ahead = (after - this.#link.cameBefore(channelId)) << 16 >> 16;
    const isNewer = ((sequence - (this.#got[channelId] ?? 0)) | 0) > 0;
    if (ahead < 0 || !isNewer) return;
    if (ahead > 0) return this.#wait(message);
    this.#got[channelId] = sequence;
    this.#link.accept(channelId, flags, bytes);
  }

  #wait(message: Early): void {
    this.#early.push(message);
    this.#earlyCost += message.bytes.length + FRAME_COST;
    while (this.#earlyCost > MOST_EARLY) {
      this.#earlyCost -= this.#early.shift()!.bytes.length + FRAME_COST;
    }
  }

  /** A message of a sequenced kind has come over the WebSocket, and has been given out. */
  arrived(channelId: number): void {
    if (this.#early.length === 0) return;
    const early = this.#early;
    this.#early = [];
    this.#earlyCost = 0;
    for (const message of early) {
      if (message.channelId === channelId) this.#inOrder(message);
      else this.#wait(message);
    }
  }

  /** Ends it. What waits for messages of the WebSocket still comes behind them. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel.close();
  }
}
