/**
 * Admission: native code asks about a client, and the program's `accept` function decides.
 *
 * Native code puts a question into the completion ring and holds the attempt for as long as an answer may take.
 * Each question is answered exactly once: with the decision, or with `DisconnectCode.UNDECIDED` where there is
 * none in time, or the function failed. A decision that comes later changes nothing.
 *
 * @module
 */
import { setTimeout } from "node:timers";
import { LAYOUT } from "../../ffi/layout.ts";
import type { Accept, AcceptVerdict, ConnectAttempt } from "../admission.ts";
import type { Endpoint } from "./endpoint.ts";
import { surface } from "../../ffi/surface.ts";
import { show, U32 } from "./validate.ts";

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
  /** The program's function; without it every client may connect. */
  accept: Accept | undefined;

  constructor(endpoint: Endpoint, accept: Accept | undefined) {
    this.#endpoint = endpoint;
    this.accept = accept;
  }

  /** Answers a question, now or later. */
  ask(question: number, attempt: ConnectAttempt): void {
    if (this.accept === undefined) return this.#answer(question, LAYOUT.ACCEPT);
    try {
      const verdict = this.accept(attempt);
      if (typeof verdict === "object") void this.#wait(question, verdict);
      else this.#answer(question, encode(verdict));
    } catch (error) {
      this.#fail(question, error);
    }
  }

  async #wait(question: number, promise: Promise<AcceptVerdict>): Promise<void> {
    // Native code ends the wait as well, for a thread that is stuck; but nothing wakes it for that.
    const late = () => this.#answer(question, LAYOUT.CODE_UNDECIDED);
    const timer = setTimeout(late, LAYOUT.DECISION_MS);
    timer.unref();
    try {
      this.#answer(question, encode(await promise));
    } catch (error) {
      this.#fail(question, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #fail(question: number, error: unknown): void {
    surface(error);
    this.#answer(question, LAYOUT.CODE_UNDECIDED);
  }

  /** The first answer to a question counts. */
  #answer(question: number, verdict: number): void {
    const { native, handle, resources } = this.#endpoint;
    if (!resources.open) return;
    native.enetjs_host_answer(handle, question, verdict);
    this.#endpoint.change();
  }
}
