/**
 * What waits to be sent on a link: a queue for each channel. The channels take turns, a frame each, so that
 * a large message delays others by one frame. Only one message is in parts at a time.
 *
 * What waits can be replaced: an unreliable message takes the place of those that were sent on its channel before, in an
 * earlier batch, and still wait.
 *
 * @module
 */
import { Fifo } from "../../internal/fifo.ts";
import { FRAME_COST, UNSEQUENCED } from "./wire.ts";

/** A frame, in whatever form its socket takes it. */
export interface Frame {
  readonly byteLength: number;
}

/** A message that waits. */
export interface Outgoing<F extends Frame> {
  frames: readonly F[];
  /** How many of them have been sent. */
  sent: number;
  readonly bytes: number;
  readonly token: number;
  readonly replaceable: boolean;
  readonly unreliable: boolean;
  dropped: boolean;
}

/** The messages of a channel. */
interface Channel<F extends Frame> {
  readonly messages: Fifo<Outgoing<F>>;
  /** The unreliable ones of them of which nothing has been sent. */
  readonly unreliable: Fifo<Outgoing<F>>;
  /** Bytes of these unreliable ones; a message counts as `FRAME_COST` at least. */
  cost: number;
  /** How many of these a newer one replaces. */
  replaceable: number;
  /** Messages of a sequenced kind that were queued, and not dropped. */
  sequenced: number;
  /** The batch in which the latest one of them was queued that can be replaced. */
  batch: number;
  /** How many of `messages` have been dropped. */
  dropped: number;
  /** It is in the list of those that wait for their turn. */
  ready: boolean;
}

const costOf = ({ bytes }: { readonly bytes: number }) => Math.max(bytes, FRAME_COST);

/** The messages of a link that wait. */
export class LinkQueue<F extends Frame> {
  /** Cost of unreliable messages that may wait on a channel; the oldest are dropped. */
  limitBytes: number;
  /** Bytes of the messages that wait, or of which a part waits. */
  bytes = 0;
  /** How many these are. */
  messages = 0;
  /** Unreliable messages that were dropped while they waited. */
  dropped = 0;
  readonly #channels = new Map<number, Channel<F>>();
  /** Those that have messages, in the order of their turns. */
  readonly #ready: Channel<F>[] = [];
  /** The channel of which a message is being sent in parts. */
  #parted: Channel<F> | undefined;
  #batch = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get isEmpty(): boolean {
    return this.messages === 0;
  }

  /** What is pushed from now on makes obsolete what was pushed before. */
  beginBatch(): void {
    this.#batch++;
  }

  /** Queues a message of so many bytes. */
  push(channelId: number, flags: number, frames: readonly F[], bytes: number, token: number): void {
    let channel = this.#channels.get(channelId);
    if (channel === undefined) {
      channel = {
        messages: new Fifo<Outgoing<F>>(),
        unreliable: new Fifo<Outgoing<F>>(),
        cost: 0,
        replaceable: 0,
        sequenced: 0,
        batch: -1,
        dropped: 0,
        ready: false,
      };
      this.#channels.set(channelId, channel);
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
    this.bytes += bytes;
    this.messages++;
    if (message.unreliable) this.#enter(channel, message);
    if ((flags & UNSEQUENCED) === 0) channel.sequenced++;
    channel.messages.push(message);
    if (channel.ready) return;
    channel.ready = true;
    this.#ready.push(channel);
  }

  /**
   * Drops what an unreliable message of a sequenced kind makes obsolete that goes another way.
   *
   * @returns how many messages were queued before it, modulo 2¹⁶; `undefined` where it has to wait behind one
   */
  overtake(channelId: number): number | undefined {
    const channel = this.#channels.get(channelId);
    if (channel === undefined) return 0;
    this.#replace(channel);
    return channel.replaceable > 0 ? undefined : channel.sequenced & 0xFFFF;
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
    const cost = costOf(message);
    while (unreliable.size > 0 && channel.cost + cost > this.limitBytes) {
      this.#drop(channel, unreliable.shift()!);
    }
    channel.cost += cost;
    if (message.replaceable) channel.replaceable++;
    unreliable.push(message);
  }

  #drop(channel: Channel<F>, message: Outgoing<F>): void {
    message.dropped = true;
    message.frames = [];
    channel.cost -= costOf(message);
    if (message.replaceable) {
      channel.replaceable--;
      channel.sequenced--;
    }
    this.#leave(message);
    this.dropped++;
    if (++channel.dropped * 2 > channel.messages.size + 16) {
      channel.messages.extract(({ dropped }) => dropped);
      channel.dropped = 0;
    }
  }

  #leave({ bytes }: Outgoing<F>): void {
    this.bytes -= bytes;
    this.messages--;
  }

  /**
   * Takes the next frame.
   *
   * @returns its message: the frame is that before `sent`; `undefined` where nothing waits
   */
  take(): Outgoing<F> | undefined {
    const ready = this.#ready;
    for (let turn = 0; turn < ready.length;) {
      const channel = ready[turn];
      const message = this.#first(channel);
      if (message === undefined) {
        ready.splice(turn, 1);
        channel.ready = false;
        continue;
      }
      const isParted = message.frames.length > 1;
      if (isParted && this.#parted !== undefined && this.#parted !== channel) {
        turn++;
        continue;
      }
      ready.splice(turn, 1);
      ready.push(channel);
      this.#advance(channel, message);
      return message;
    }
  }

  /** The first message of a channel that has not been dropped. */
  #first(channel: Channel<F>): Outgoing<F> | undefined {
    for (;;) {
      const message = channel.messages.peek();
      if (message === undefined || !message.dropped) return message;
      channel.messages.shift();
      channel.dropped--;
    }
  }

  #advance(channel: Channel<F>, message: Outgoing<F>): void {
    if (message.unreliable && message.sent === 0) {
      channel.unreliable.shift();
      channel.cost -= costOf(message);
      if (message.replaceable) channel.replaceable--;
    }
    const isLast = ++message.sent === message.frames.length;
    if (message.frames.length > 1) this.#parted = isLast ? undefined : channel;
    if (!isLast) return;
    channel.messages.shift();
    this.#leave(message);
  }
}
