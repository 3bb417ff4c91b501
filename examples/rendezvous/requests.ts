/**
 * Requests of a client to a rendezvous server and its relays, which are repeated until they are answered.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "@enetjs/enet";
import { type Message, requestOf, textOf } from "./wire.ts";

const REPEAT_MS = 250;

/** A request that waits for an answer. */
interface Waiting {
  /** Where the request went: an answer from elsewhere does not count. */
  readonly to: string;
  readonly answer: (message: Message) => void;
}

/** The requests of a client that wait for answers. */
export class Requests {
  /** By their nonces or tokens, which answers repeat. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #send: (to: Address, text: string) => void;

  constructor(send: (to: Address, text: string) => void) {
    this.#send = send;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Repeats a request until it has the wanted answer.
   *
   * @throws the reason of the signal, or an `Error` when the answer is a refusal
   */
  async ask(to: Address, request: Message, wanted: string, signal: AbortSignal): Promise<Message> {
    const id = request.nonce ?? request.token ?? "";
    let cookie = "";
    let waiting: Waiting | undefined;
    try {
      for (;;) {
        signal.throwIfAborted();
        const { promise: answered, resolve: answer } = Promise.withResolvers<Message>();
        waiting = { to: textOf(to), answer };
        this.#waiting.set(id, waiting);
        this.#send(to, requestOf({ ...request, cookie }));
        const pause = sleep(REPEAT_MS, undefined, { signal }).catch(() => {});
        const said = await Promise.race([answered, pause]);
        if (said?.is === wanted) return said;
        if (said?.is === "full" || said?.is === "taken") {
          throw new Error(`the rendezvous server says "${said.is}" to "${request.is}"`);
        }
        const isFirstCookie = said?.is === "cookie" && cookie === "";
        cookie = said?.cookie ?? cookie;
        if (!isFirstCookie) await pause;
      }
    } finally {
      // Another request with the same nonce may wait by now.
      if (this.#waiting.get(id) === waiting) this.#waiting.delete(id);
    }
  }

  /** Takes what may be an answer. */
  take(from: Address, message: Message): void {
    const waiting = this.#waiting.get(message.to ?? "");
    if (waiting?.to === textOf(from)) waiting.answer(message);
  }
}
