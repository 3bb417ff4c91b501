/**
 * What arrives on a link: data frames are checked, put together to messages, and given to the side that is
 * meant, or wait while that takes none. What waits is bounded by the window: more than that is a fault.
 *
 * @module
 */
import { Fifo } from "../../internal/fifo.ts";
import { CLOSE, FRAGMENT, FRAME_COST, HEADER, isDataFrame, MORE, UNSEQUENCED } from "./wire.ts";

/** What an inbox needs of its link. */
export interface InboxOwner {
  /** A message. Not called while the inbox is paused. */
  message(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void;
  /** Memory of an incomplete message has grown by so many bytes. Returns false where that is too much. */
  hold(bytes: number): boolean;
  /** The other side has broken the rules, or exceeded a limit; a code of `CLOSE`. */
  fault(code: number, what: string): void;
}

/** What an inbox takes. */
export interface InboxOptions {
  readonly channels: number;
  /** Cost of what may wait here. */
  readonly receiveWindow: number;
  /** Bytes of the largest message. */
  readonly largest: number;
}

/** A message that has arrived and was not taken. */
interface Arrived {
  readonly channelId: number;
  readonly flags: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What is taken with it: its last frame, and parts of another message that have come behind it. */
  cost: number;
}

/** The messages of a link that have arrived. */
export class LinkInbox {
  readonly #owner: InboxOwner;
  readonly #onTaken: () => void;
  readonly #onSequenced: (channelId: number) => void;
  readonly #options: InboxOptions;
  #received = 0;
  #receivedBytes = 0;
  #taken = 0;
  /** Parts of a message, and its channel and flags. */
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #partsBytes = 0;
  #partsOf = -1;
  readonly #arrived = new Fifo<Arrived>();
  #arrivedBytes = 0;
  /** The last one of them. */
  #last: Arrived | undefined;
  #paused = false;
  /** Messages of a sequenced kind that have come over the WebSocket, by channel, modulo 2¹⁶. */
  readonly #came: Uint16Array;

  /**
   * @param onTaken called when something has been taken
   * @param onSequenced called when a message of a sequenced kind has come
   */
  constructor(
    owner: InboxOwner,
    onTaken: () => void,
    onSequenced: (channelId: number) => void,
    options: InboxOptions,
  ) {
    this.#owner = owner;
    this.#onTaken = onTaken;
    this.#onSequenced = onSequenced;
    this.#came = new Uint16Array(options.channels);
    this.#options = options;
  }

  /** Cost of what has come. */
  get received(): number {
    return this.#received;
  }

  /** Cost of what has been taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Bytes of payloads that have come. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Bytes that have come and were not taken. */
  get waitingBytes(): number {
    return this.#arrivedBytes + this.#partsBytes;
  }

  /** Whether a message waits. */
  get waits(): boolean {
    return this.#arrived.size > 0;
  }

  /** Messages that arrive wait here. */
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

  /** Takes a frame that is no control frame. */
  receive(bytes: Uint8Array): void {
    const { channels, receiveWindow } = this.#options;
    if (!isDataFrame(bytes, channels)) return this.#fault("no frame of data");
    const payload = bytes.slice(HEADER) as Uint8Array<ArrayBuffer>;
    const cost = payload.length + FRAME_COST;
    this.#received += cost;
    if (this.#received - this.#taken >= receiveWindow + FRAGMENT + FRAME_COST) {
      return this.#fault("more than the window allows");
    }
    this.#receivedBytes += payload.length;
    const kind = bytes[0] << 8 | bytes[1] & ~MORE;
    const isPart = (bytes[1] & MORE) !== 0;
    if (isPart || this.#partsOf === kind) this.#part(kind, isPart, payload, cost);
    else if (this.#partsOf >>> 8 === bytes[0] && this.#partsOf !== -1) {
      this.#fault("a message within another");
    } else this.#arrive(kind, payload, cost);
  }

  #part(kind: number, isPart: boolean, payload: Uint8Array<ArrayBuffer>, cost: number): void {
    if (this.#partsOf !== -1 && this.#partsOf !== kind) {
      return this.#fault("a message within another");
    }
    const length = this.#partsBytes + payload.length;
    if (length > this.#options.largest) return this.#fault("a message that is too large");
    this.#partsOf = kind;
    this.#parts.push(payload);
    if (isPart) {
      this.#partsBytes = length;
      if (!this.#owner.hold(payload.length)) {
        return this.#owner.fault(CLOSE.LIMIT, "memory is short");
      }
      // What has been taken is reported as a sum, so frames are taken in their order.
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
    this.#forgetParts();
    this.#arrive(kind, whole, cost);
  }

  #forgetParts(): void {
    if (this.#partsBytes > 0) this.#owner.hold(-this.#partsBytes);
    this.#parts = [];
    this.#partsBytes = 0;
    this.#partsOf = -1;
  }

  #arrive(kind: number, bytes: Uint8Array<ArrayBuffer>, cost: number): void {
    if (bytes.length > this.#options.largest) return this.#fault("a message that is too large");
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
    this.#onSequenced(channelId);
  }

  /** How many messages of a sequenced kind have come over the WebSocket, modulo 2¹⁶. */
  cameBefore(channelId: number): number {
    return this.#came[channelId];
  }

  /** Takes a message that has come another way, or drops it because too much waits. */
  accept(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#receivedBytes += bytes.length;
    if (!this.#paused) return this.#owner.message(channelId, flags, bytes);
    const waits = this.#arrivedBytes + this.#arrived.size * FRAME_COST;
    if (waits + bytes.length > this.#options.receiveWindow) return;
    this.#arrivedBytes += bytes.length;
    this.#arrived.push(this.#last = { channelId, flags, bytes, cost: 0 });
  }

  #take(cost: number): void {
    this.#taken += cost;
    this.#onTaken();
  }

  #fault(what: string): void {
    this.#owner.fault(CLOSE.FAULT, what);
  }

  /**
   * Nothing more is received.
   *
   * @param drops whether messages that wait are dropped
   */
  close(drops: boolean): void {
    this.#forgetParts();
    if (!drops) return;
    this.#arrived.extract(() => true);
    this.#arrivedBytes = 0;
  }
}
