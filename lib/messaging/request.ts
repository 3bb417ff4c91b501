import { integer, show, U32 } from "../internal/validate.ts";
import { ENetError } from "../errors.ts";
import type { ReceivedPayload } from "./payload.ts";
import type { Connection, IncomingRequest } from "./types.ts";
import { MAXIMUM_ERROR_TEXT } from "./wire.ts";

/** What a request needs of its connection. */
export interface Answerer {
  readonly connection: Connection;
  /** Sends a reply if somebody waits for it. */
  reply(request: ReceivedRequest, data: unknown): boolean;
  /** Sends a refusal if somebody waits for it. */
  refuse(request: ReceivedRequest, code: number, text: string): boolean;
}

/** What the rest of the library may do with requests, and users may not. */
interface RequestInside {
  /**
   * Nobody waits for the answer any more.
   *
   * @returns whether its handler is still at work
   */
  drop(request: ReceivedRequest): boolean;
  /** Its handler has returned a promise. */
  work(request: ReceivedRequest): void;
  /**
   * That promise has settled.
   *
   * @returns whether `drop` has returned true before
   */
  finish(request: ReceivedRequest): boolean;
  id(request: ReceivedRequest): number;
  /** Whether the program has answered. */
  isAnswered(request: ReceivedRequest): boolean;
}

let inside: RequestInside;

/** A request of the other side. */
export class ReceivedRequest implements IncomingRequest {
  readonly type = "request";
  readonly data: ReceivedPayload;
  readonly idempotent: boolean;
  readonly #answerer: Answerer;
  readonly #id: number;
  #isAnswered = false;
  #isDropped = false;
  /** Its handler is at work, although it has returned. */
  #isWorking = false;
  #controller: AbortController | undefined;

  constructor(answerer: Answerer, id: number, idempotent: boolean, data: ReceivedPayload) {
    this.#answerer = answerer;
    this.#id = id;
    this.idempotent = idempotent;
    this.data = data;
  }

  get connection(): Connection {
    return this.#answerer.connection;
  }

  get open(): boolean {
    return !this.#isAnswered && !this.#isDropped;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isDropped) this.#controller.abort();
    return this.#controller.signal;
  }

  reply(data?: unknown): boolean {
    this.#requireUnanswered();
    // What can't be sent leaves the request open.
    const isSent = this.#answerer.reply(this, data);
    this.#isAnswered = true;
    return isSent;
  }

  refuse(code: number, text: string = ""): boolean {
    integer(code, "code", 0, U32);
    if (typeof text !== "string") throw new TypeError(`text must be a string, not ${show(text)}`);
    if (text.length * 3 > MAXIMUM_ERROR_TEXT) {
      const length = new TextEncoder().encode(text).length;
      if (length > MAXIMUM_ERROR_TEXT) {
        throw new RangeError(
          `text must have at most ${MAXIMUM_ERROR_TEXT} bytes of UTF-8, not ${length}`,
        );
      }
    }
    this.#requireUnanswered();
    this.#isAnswered = true;
    return this.#answerer.refuse(this, code, text);
  }

  #requireUnanswered(): void {
    if (!this.#isAnswered) return;
    throw new ENetError("ENETJS_ERR_ALREADY_REPLIED", "The request has been answered already");
  }

  static {
    inside = {
      drop(request) {
        request.#isDropped = true;
        const controller = request.#controller;
        // Never within a call of the program, such as one that closes the connection.
        if (controller !== undefined) queueMicrotask(() => controller.abort());
        return request.#isWorking;
      },
      work(request) {
        request.#isWorking = !request.#isDropped;
      },
      finish(request) {
        const wasWorking = request.#isWorking;
        request.#isWorking = false;
        return wasWorking && request.#isDropped;
      },
      id: (request) => request.#id,
      isAnswered: (request) => request.#isAnswered,
    };
  }
}

export const requests: RequestInside = inside;
