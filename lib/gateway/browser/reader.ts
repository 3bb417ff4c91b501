/**
 * The reads of an iteration over a socket. Each takes a message of the link, which is paused while no read waits.
 *
 * @module
 */
import { Fifo } from "../../internal/fifo.ts";
import type { LinkInbox } from "../link/inbox.ts";
import { type EnetMessage, EnetPacket } from "./packet.ts";

/** Gives the messages of a link to reads. */
export class Reader {
  readonly #inbox: Pick<LinkInbox, "paused" | "waits">;
  readonly #waiting = new Fifo<(result: IteratorResult<EnetMessage>) => void>();
  #isOver = false;
  #drops = false;

  constructor(inbox: Pick<LinkInbox, "paused" | "waits">) {
    this.#inbox = inbox;
    inbox.paused = true;
  }

  /** A message, which a read waits for. */
  message(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void {
    const resolve = this.#waiting.shift()!;
    this.#inbox.paused = this.#waiting.size === 0;
    resolve({ value: { channelId, packet: new EnetPacket(bytes, flags) }, done: false });
  }

  /** The next message, or the end. */
  read(): Promise<IteratorResult<EnetMessage>> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#drops) return this.stop();
      this.#inbox.paused = false; // gives the first one that waits
      if (this.#isOver) this.end(false);
    });
  }

  /**
   * Nothing more will come.
   *
   * @param drops whether what waits can't be read any more
   */
  end(drops: boolean): void {
    this.#isOver = true;
    this.#drops ||= drops;
    if (this.#drops || !this.#inbox.waits) this.stop();
  }

  /** Ends the reads that wait. */
  stop(): void {
    this.#inbox.paused = true;
    for (let resolve; (resolve = this.#waiting.shift()) !== undefined;) {
      resolve({ value: undefined, done: true });
    }
  }
}
