import type { PeerMessage } from "../message.ts";
import { type Packet, packets } from "../packet.ts";
import { Fifo } from "./fifo.ts";
import { type Keeper, type Mail, Mailbox } from "./mailbox.ts";

/** Counts messages that wait: the connection. */
interface Counter {
  /** Counts a message that now waits. */
  hold(packet: Packet): void;
  /** Counts a message no more. */
  release(packet: Packet): void;
}

/**
 * The messages of a connection that wait for an iteration over the peer, and the reads of that iteration. It lends
 * each message until the next read.
 */
export class PeerInbox implements Mail<PeerMessage> {
  readonly #counter: Counter;
  readonly #messages = new Fifo<PeerMessage>();
  readonly #mailbox: Mailbox<PeerMessage>;
  /** The packet of the message that was handed out last. */
  #lent: Packet | undefined;
  /** The program has not yet gone on with the message that a reader was given. */
  #handed = false;
  /** No message will come any more. */
  #over = false;

  constructor(keeper: Keeper, counter: Counter) {
    this.#counter = counter;
    this.#mailbox = new Mailbox(keeper, this);
  }

  /** Whether no message will come any more. */
  get over(): boolean {
    return this.#over;
  }

  /** Gives a message to the read that waits longest, or keeps it. */
  push(message: PeerMessage): void {
    // A reader that waits for another turn has a message in the inbox.
    if (this.#messages.size === 0 && this.#mailbox.readers > 0) {
      this.#mailbox.deliver(this.#lend(message));
      return;
    }
    this.#counter.hold(message.packet);
    this.#messages.push(message);
  }

  /** Takes the first message out, without lending it; undefined when there is none. */
  shift(): PeerMessage | undefined {
    const message = this.#messages.shift();
    if (message !== undefined) this.#counter.release(message.packet);
    return message;
  }

  /** Moves the messages of a channel to another consumer, in order. */
  move(channelId: number, consumer: (message: PeerMessage) => void): void {
    for (const message of this.#messages.extract((message) => message.channelId === channelId)) {
      this.#counter.release(message.packet);
      consumer(message);
    }
  }

  /** The next message or the end. */
  read(): Promise<IteratorResult<PeerMessage>> {
    this.giveBack();
    const result = this.#mailbox.read();
    this.#handed = false;
    return result;
  }

  /** Ends the borrowing of the message that was handed out last. */
  giveBack(): void {
    if (this.#lent !== undefined) packets.release(this.#lent);
    this.#lent = undefined;
  }

  #lend(message: PeerMessage): PeerMessage {
    // The reads overlap: the read after either message would take the other one back unseen.
    if (this.#lent !== undefined) {
      this.#lent.retain();
      message.packet.retain();
    }
    this.#lent = message.packet;
    this.#handed = true;
    return message;
  }

  nextValue(): PeerMessage | undefined {
    const message = this.shift();
    return message && this.#lend(message);
  }

  lastResult(): IteratorResult<PeerMessage> | undefined {
    return this.#over && this.#messages.size === 0 ? { value: undefined, done: true } : undefined;
  }

  /**
   * Whether the end has to wait for another turn, because a reader gets a message in this one. The end waits only
   * once for a program that does not read on.
   */
  delaysEnd(): boolean {
    const handed = this.#handed;
    this.#handed = false;
    return handed || (this.#mailbox.readers > 0 && this.#messages.size > 0);
  }

  /** There will be no more messages: reads end behind those that wait. */
  end(): void {
    this.#over = true;
    this.#mailbox.feed();
  }

  /** Ends the reads of an iteration that is over. */
  dismiss(): void {
    this.#mailbox.dismiss();
  }
}
