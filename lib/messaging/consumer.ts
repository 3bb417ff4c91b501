/**
 * Gives what has arrived on a connection to the program: to its handlers, or to an iteration. What neither takes
 * yet waits within limits.
 *
 * @module
 */
import { surface } from "../../ffi/surface.ts";
import { Later, spent, TURN_BUDGET_MS } from "../internal/turn.ts";
import { handlers as checkHandlers } from "../internal/validate.ts";
import { RefusalCode } from "./errors.ts";
import { Inbox, type Item } from "./inbox.ts";
import { HANDLERS } from "./options.ts";
import type { ReceivedPayload } from "./payload.ts";
import { type ReceivedRequest, requests } from "./request.ts";
import type { Connection, ConnectionEnd, ConnectionHandlers } from "./types.ts";

/** What a consumer needs of its connection. */
export interface ConsumerOwner {
  /** What handlers get. */
  readonly connection: Connection;
  /** For messages of errors. */
  readonly name: string;
  /** More or less waits than before. */
  adjust(): void;
  /** A message had a value that the codec of this side cannot read. */
  undecodable(error: unknown, text: string): void;
}

/** The consumer of one connection. */
export class Consumer {
  readonly #owner: ConsumerOwner;
  /** Bytes that may wait where nobody iterates. */
  readonly #limit: number;
  readonly #inbox: Inbox;
  /** What waits goes to handlers in turns of its own. */
  readonly #handingOver: Later = new Later(() => this.#handOver());
  #handlers: ConnectionHandlers;
  /** Handlers that take messages or requests, in place of an iteration. */
  #hasTakers: boolean;
  /** Nothing more is told but the end. */
  #isClosed = false;
  #isOver = false;
  #droppedMessages = 0;
  #refusedRequests = 0;
  #unfinished = 0;

  constructor(owner: ConsumerOwner, handlers: ConnectionHandlers, limit: number) {
    this.#owner = owner;
    this.#limit = limit;
    this.#inbox = new Inbox(() => owner.adjust());
    this.#handlers = handlers;
    this.#hasTakers = takes(handlers);
  }

  get droppedMessages(): number {
    return this.#droppedMessages;
  }

  /** Requests refused because too much waited. */
  get refusedRequests(): number {
    return this.#refusedRequests;
  }

  /** Cancelled requests whose handlers are still at work: cancelling them makes no room for more. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** Bytes that wait, with what keeping them costs. */
  get waitingBytes(): number {
    return this.#inbox.bytes;
  }

  get isIterating(): boolean {
    return this.#inbox.isIterating;
  }

  /** Whether handlers still get what had waited for them. */
  get isHandingOver(): boolean {
    return this.#handingOver.isWaiting;
  }

  get handlers(): ConnectionHandlers {
    return this.#handlers;
  }
  set handlers(handlers: ConnectionHandlers) {
    checkHandlers(handlers, HANDLERS);
    if (takes(handlers) && this.#inbox.isIterating) {
      throw new TypeError(
        `${this.#owner.name} is being iterated over: leave the loop before you set handlers that take messages`,
      );
    }
    this.#handlers = handlers;
    this.#hasTakers = takes(handlers);
    if (this.#hasTakers && !this.#inbox.isEmpty && !this.#isOver) this.#handingOver.request();
  }

  iterate(): AsyncIterableIterator<Item> {
    if (this.#hasTakers) {
      throw new TypeError(`${this.#owner.name} has handlers that take its messages and requests`);
    }
    if (this.#inbox.isIterating) {
      throw new TypeError(`${this.#owner.name} is being iterated over already`);
    }
    return this.#inbox.iterate();
  }

  takeMessage(body: ReceivedPayload): void {
    if (this.#isClosed) return body.release();
    if (this.#hasTakers && this.#inbox.isEmpty) return this.#handleMessage(body);
    const item: Item = { type: "message", data: body };
    if (this.#admits(item)) return this.#keep(item);
    this.#droppedMessages++;
    body.release();
  }

  takeRequest(request: ReceivedRequest): void {
    if (!request.open) return request.data.release();
    if (this.#hasTakers && this.#inbox.isEmpty) return this.#handleRequest(request);
    if (this.#admits(request)) return this.#keep(request);
    this.#refusedRequests++;
    request.refuse(RefusalCode.BUSY, "too much waits for the program");
    request.data.release();
  }

  /** Nobody waits for the answer to a request any more. */
  dropped(request: ReceivedRequest): void {
    if (requests.drop(request)) this.#unfinished++;
  }

  /** This side has closed: nothing more is told but the end. */
  close(): void {
    this.#isClosed = true;
  }

  /** It has closed before the other side has: what waits is dropped, too. */
  drop(): void {
    this.close();
    this.#inbox.drop();
  }

  /** Tells the end; an iteration ends behind what waits. */
  tellEnd(end: ConnectionEnd): void {
    this.#isOver = true;
    this.#inbox.end();
    try {
      this.#handlers.closed?.(this.#owner.connection, end);
    } catch (error) {
      surface(error);
    }
  }

  /** Whether something may wait; where nobody iterates, only so much. */
  #admits(item: Item): boolean {
    return this.#inbox.isIterating || this.#inbox.fits(item, this.#limit);
  }

  #keep(item: Item): void {
    this.#inbox.push(item);
    this.#owner.adjust();
  }

  /** Gives what waits to the handlers, as far as a turn goes. */
  #handOver(): void {
    while (this.#hasTakers && !this.#inbox.isEmpty) {
      if (spent(TURN_BUDGET_MS)) return this.#handingOver.request();
      const item = this.#inbox.shift() as Item;
      if (item.type === "message") this.#handleMessage(item.data);
      else this.#handleRequest(item as ReceivedRequest);
    }
    this.#owner.adjust();
  }

  #handleMessage(body: ReceivedPayload): void {
    const handlers = this.#handlers;
    if (handlers.message === undefined) this.#droppedMessages++;
    else {
      try {
        const result: unknown = handlers.message(this.#owner.connection, body);
        if (isThenable(result)) result.then(undefined, (error) => this.#messageFailed(body, error));
      } catch (error) {
        this.#messageFailed(body, error);
      }
    }
    body.release();
  }

  /** A stranger's value must not end the program that reads it. */
  #messageFailed(body: ReceivedPayload, error: unknown): void {
    if (body.isUndecodable(error)) this.#owner.undecodable(error, textOf(error));
    else surface(error);
  }

  #handleRequest(request: ReceivedRequest): void {
    const handlers = this.#handlers;
    if (handlers.request === undefined) {
      request.refuse(RefusalCode.UNHANDLED, "no handler takes requests");
    } else {
      try {
        this.#answer(request, handlers.request(request));
      } catch (error) {
        fail(request, error);
      }
    }
    request.data.release();
  }

  /** Replies with what a handler has returned. */
  #answer(request: ReceivedRequest, result: unknown): void {
    if (result === undefined) return;
    if (isThenable(result)) {
      requests.work(request);
      result.then(
        (value) => {
          this.#finish(request);
          this.#answerLate(request, value);
        },
        (error) => {
          this.#finish(request);
          fail(request, error);
        },
      );
    } else if (!requests.isAnswered(request)) request.reply(result);
  }

  #finish(request: ReceivedRequest): void {
    if (requests.finish(request)) this.#unfinished--;
  }

  #answerLate(request: ReceivedRequest, value: unknown): void {
    if (value === undefined || requests.isAnswered(request)) return;
    try {
      request.reply(value);
    } catch (error) {
      fail(request, error);
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

function takes({ message, request }: ConnectionHandlers): boolean {
  return message !== undefined || request !== undefined;
}

/** Refuses a request whose handler has thrown; what cannot be told that way is an uncaught error. */
function fail(request: ReceivedRequest, error: unknown): void {
  if (requests.isAnswered(request)) return surface(error);
  request.refuse(RefusalCode.FAILED, textOf(error).slice(0, 20_000));
}

/** The text of what a handler has thrown; a value that a stranger has sent may have none. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "the handler has thrown a value that has no text";
  }
}
