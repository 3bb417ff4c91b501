import { ATTEND, LAYOUT } from "../../ffi/layout.ts";
import type { Consumer } from "./consumer.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Records } from "./records.ts";
import {
  allowed,
  beginTask,
  beginTurn,
  beginWakeUp,
  endTask,
  Later,
  returnUnused,
  spent,
} from "./turn.ts";

/** What servicing calls when there is something new. */
interface ServicedInlet {
  /** Hands out the records of the rings. */
  settle(): void;
  /** Takes note of what the completion ring tells. */
  learn(): void;
  /** How many reads wait for an event of the host. */
  readonly readers: number;
}

/**
 * When native code services the host, and how many of its events are handed out in one turn of the event loop.
 * Native code writes to the rings only in the calls that are made here.
 */
export class Servicing {
  readonly #endpoint: Endpoint;
  readonly #records: Records;
  readonly #consumer: Consumer;
  readonly #inlet: ServicedInlet;
  /** What is left goes on in a turn of its own. */
  readonly rest: Later = new Later(() => this.#resume());
  /** The program has not yet run the code behind a promise that must come before further events. */
  isYielding = false;
  /** The record of the event that the program looks at is still in the ring. */
  isLending = false;
  #isAttending = false;

  constructor(
    endpoint: Endpoint,
    records: Records,
    consumer: Consumer,
    inlet: ServicedInlet,
  ) {
    this.#endpoint = endpoint;
    this.#records = records;
    this.#consumer = consumer;
    this.#inlet = inlet;
  }

  /**
   * Services the host on a wake-up. Events that wait for another turn must not be handed out earlier: Deno
   * may read the wake-up's socket again and again without looking at other sockets.
   */
  wake(): void {
    if (this.rest.isWaiting) return;
    beginWakeUp(this.#endpoint.handle);
    this.#service(0);
  }

  /** Services the host on a call of the program, which decides itself when its turns are. */
  service(timeoutMs: number): void {
    beginTurn();
    this.isYielding = false;
    this.#service(timeoutMs, beginTurn);
  }

  /** Services the host and hands out the records that result. */
  #service(timeoutMs: number, whenWaited?: () => void): void {
    this.#native(timeoutMs);
    whenWaited?.();
    try {
      this.#inlet.settle();
    } finally {
      this.#attend();
    }
  }

  /** Has native code bring the events for which the ring had no room. */
  refill(): void {
    this.#native(0);
    this.#inlet.learn();
  }

  #native(timeoutMs: number): void {
    const { native, handle } = this.#endpoint;
    this.#prepareArena();
    native.enetjs_host_service(handle, timeoutMs);
    this.#endpoint.serviced();
  }

  /** Before each service, the only call in which native code writes to the arena. */
  #prepareArena(): void {
    const { native, handle, memory } = this.#endpoint;
    if (memory.stolen) {
      const arena = memory.restore();
      native.enetjs_host_set_arena(handle, arena, arena.length);
    }
    // Bytes that are lent now must stay valid: they share a buffer with the bytes to be given back.
    if (!this.isLending) memory.makeRoom();
  }

  /** Hands out the events that the last turn had no time for. */
  #resume(): void {
    this.isYielding = false;
    if (this.#endpoint.resources.open) this.#service(0);
  }

  /** Whether the other events have to wait for another turn; then requests one. */
  spent(): boolean {
    if (!spent(this.#endpoint.turnBudgetMs)) return false;
    this.defer();
    return true;
  }

  /** Requests another turn. Without a pump, only the program's calls of service() do anything. */
  defer(): void {
    if (this.#endpoint.pump || this.#inlet.readers > 0) this.rest.request();
  }

  /**
   * Leaves further events to another turn, so that the program first goes on behind its `await`: a
   * `host.connect()`, a `peer.receive()`, or a loop over a peer.
   */
  yield(): void {
    // A program that polls decides that by its calls.
    if (this.#consumer.isManual) return this.#endpoint.change();
    this.isYielding = true;
    this.defer();
  }

  /**
   * Stays awake for the next message, where native code has found that worth it. Not while messages wait for
   * another turn, because each look would delay that turn.
   */
  #attend(): void {
    const { library, memory, resources } = this.#endpoint;
    if (this.#isAttending || !resources.open || memory.words[LAYOUT.WORD_ATTENDED] === 0) return;
    if (this.rest.isWaiting) return;
    this.#isAttending = true;
    library.runtime.later(() => this.#attendNow());
  }

  #attendNow(): void {
    const { native, handle, resources } = this.#endpoint;
    this.#isAttending = false;
    if (!resources.open || this.rest.isWaiting) return;
    beginTask();
    const what = native.enetjs_host_attend(handle);
    if (what === ATTEND.DUE) this.#service(0);
    else if (what === ATTEND.AGAIN) this.#attend();
  }

  /**
   * Has the records of the event ring consumed within the budget, and then those that native code holds behind the
   * ring.
   *
   * @param consume takes at most so many records, and returns how many of them it did not find
   */
  drain(consume: (messages: number) => number): void {
    const { events, memory, resources, turnBudgetMs } = this.#endpoint;
    for (;;) {
      while (resources.open && !events.empty) {
        if (this.#mustStop) return;
        const messages = allowed(turnBudgetMs);
        if (messages === 0) return this.defer();
        returnUnused(consume(messages));
      }
      if (!resources.open || memory.held === 0) return endTask();
      if (this.spent()) return;
      this.refill();
    }
  }

  /** Consumes records one by one. @returns how many it did not find */
  each(messages: number, consume: (index: number) => void): number {
    const { events, memory, resources } = this.#endpoint;
    for (; messages > 0 && resources.open && !events.empty && !this.#mustStop; messages--) {
      const index = events.record;
      const tail = memory.words[index + LAYOUT.RECORD_ARENA_TAIL];
      try {
        consume(index);
      } finally {
        if (resources.open) {
          memory.consume(tail);
          events.advance();
        }
      }
    }
    return messages;
  }

  /** Of many connect events that come together, each has its promise, so that these go on. */
  get #mustStop(): boolean {
    return this.isYielding && !this.#records.isNextConnect;
  }
}
