/**
 * Admission: native code asks about a client, and the program's `accept` function decides.
 *
 * Native code puts a question into the completion ring. It holds the attempt for as long as an answer may take.
 * Each question is answered exactly once: with the decision, or with `DisconnectCode.UNDECIDED` where there is none
 * in time, or the function failed. A decision that comes later changes nothing. The function is called within the
 * turn's budget (turn.ts). Questions wait here meanwhile, and end unasked when their time is up.
 *
 * @module
 */
import { setTimeout } from "node:timers";
import { LAYOUT } from "../../ffi/layout.ts";
import type { AcceptVerdict, ConnectAttempt } from "../admission.ts";
import { surface } from "../../ffi/surface.ts";
import type { Endpoint } from "./endpoint.ts";
import { Fifo } from "./fifo.ts";
import type { Transport } from "./transport.ts";
import { show, U32 } from "./validate.ts";

interface Question {
  /** Who asks. */
  readonly transport: Transport;
  readonly number: number;
  readonly attempt: ConnectAttempt;
  /** When the transport gives it up, by `performance.now()`. */
  readonly until: number;
}

/** A decision as native code takes it. */
function encode(verdict: unknown): number {
  if (verdict === true) return LAYOUT.ACCEPT;
  if (verdict === false) return LAYOUT.CODE_DENIED;
  if (Number.isInteger(verdict) && verdict as number >= 0 && verdict as number <= U32) {
    return verdict as number;
  }
  throw new TypeError(
    `accept must return true, false or an unsigned 32-bit integer, or a promise of one, not ${
      show(verdict)
    }`,
  );
}

/** Asks the program's function. */
export class Admission {
  readonly #endpoint: Endpoint;
  readonly #questions = new Fifo<Question>();

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** Takes a question that a transport has had for some time. */
  add(transport: Transport, number: number, attempt: ConnectAttempt, ageMs: number): void {
    this.#questions.push({
      transport,
      number,
      attempt,
      until: performance.now() + LAYOUT.DECISION_MS - ageMs,
    });
  }

  /**
   * Asks the program what waits. The transports have refused those that are too old.
   *
   * @param spent whether the rest has to wait for another turn
   * @returns whether there is a rest
   */
  decide(spent: () => boolean): boolean {
    for (;;) {
      const next = this.#questions.peek();
      const { closing, resources } = this.#endpoint;
      if (next === undefined || closing || !resources.open) return false;
      if (performance.now() < next.until) {
        if (spent()) return true;
        this.#questions.shift();
        this.#ask(next);
      } else {
        this.#questions.shift();
      }
    }
  }

  /** Answers a question, now or later. */
  #ask(question: Question): void {
    const { accept } = this.#endpoint.settings;
    if (accept === undefined) return this.#answer(question, LAYOUT.ACCEPT);
    try {
      const verdict = accept(question.attempt);
      if (typeof verdict === "object") void this.#wait(question, verdict);
      else this.#answer(question, encode(verdict));
    } catch (error) {
      this.#fail(question, error);
    }
  }

  async #wait(question: Question, promise: Promise<AcceptVerdict>): Promise<void> {
    // Native code ends the wait as well, for a thread that is stuck; but nothing wakes it for that.
    const late = () => this.#answer(question, LAYOUT.CODE_UNDECIDED);
    const timer = setTimeout(late, Math.max(1, question.until - performance.now()));
    timer.unref();
    try {
      this.#answer(question, encode(await promise));
    } catch (error) {
      this.#fail(question, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #fail(question: Question, error: unknown): void {
    surface(error);
    this.#answer(question, LAYOUT.CODE_UNDECIDED);
  }

  /** The first answer to a question counts. */
  #answer({ transport, number }: Question, verdict: number): void {
    if (!this.#endpoint.resources.open) return;
    transport.answer(number, verdict);
    this.#endpoint.change();
  }
}
