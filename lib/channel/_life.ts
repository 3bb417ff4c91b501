import { setImmediate } from "node:timers";
import { Pins } from "../internal/pins.ts";
import { beginTask } from "../internal/turn.ts";
import { ENetError } from "../errors.ts";
import { Receiver } from "./_receiver.ts";
import type { Link, LinkListener } from "./_link.ts";
import { Sender } from "./_sender.ts";
import { type ChannelHandlers, checkHandlers, type EndPlan } from "./options.ts";

/** Closes links whose channels were dropped without being closed. */
const registry = new FinalizationRegistry<Link>((link) => void link.close());

/**
 * The life of one end of a channel. It wakes the way in and the way out. It ends both when either side closes, and
 * when the shared memory is damaged.
 *
 * The channel and the iterations over it refer to it, and the link refers to it weakly. So the collector takes it
 * when the program has dropped these, and the link is closed then.
 */
export class Life {
  readonly link: Link;
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly #listener: LinkListener;
  readonly #pins: Pins = new Pins(this);
  #closing: Promise<void> | undefined;
  /** Whether the other end is gone; its error, if it has failed. */
  #remoteEnded: ENetError | boolean = false;
  #started = false;

  constructor(link: Link, plan: EndPlan) {
    this.link = link;
    this.sender = new Sender(link, plan.maximumQueuedBytes, this.#pins);
    this.receiver = new Receiver(link, plan, this.#pins, (error) => this.#end(error));
    this.#listener = {
      wake: () => this.#wake(),
      end: (error) => this.#onRemoteEnd(error),
    };
    registry.register(this, link, this);
    this.#pins.exchange(undefined, plan.handlers);
    link.listen(this.#listener);
    // Handlers are called once the program has the channel; the other end may have sent already.
    setImmediate(() => {
      this.#started = true;
      this.#wake();
    });
  }

  /** Whether the channel is closed, on this side or, with everything taken, on the other. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** The functions that the channel calls as events happen. */
  get handlers(): ChannelHandlers | undefined {
    return this.receiver.handlers;
  }
  set handlers(handlers: ChannelHandlers | undefined) {
    checkHandlers(handlers);
    if (this.closed) throw this.#closedError("Setting the handlers");
    const before = this.receiver.handlers;
    this.receiver.handlers = handlers;
    this.#pins.exchange(before, handlers);
  }

  #wake(): void {
    if (this.closed || !this.#started) return;
    beginTask();
    try {
      this.sender.progress();
    } catch (error) {
      this.caught(error);
    }
    this.receiver.wake();
  }

  /** The other end is gone: nothing can be sent; its messages can still be taken. */
  #onRemoteEnd(error: ENetError | undefined): void {
    if (this.closed || this.#remoteEnded !== false) return;
    if (!this.#started) return void setImmediate(() => this.#onRemoteEnd(error));
    this.#remoteEnded = error ?? true;
    this.sender.close(this.#closedError("Waiting"));
    this.receiver.end(error);
  }

  /** Nothing will be sent or received any more. Resolves when everything is freed. */
  close(): Promise<void> {
    this.#end();
    return this.#closing as Promise<void>;
  }

  #end(error?: ENetError): void {
    if (this.closed) return;
    this.#remoteEnded ||= error ?? false;
    const closed = this.link.close.bind(this.link);
    registry.unregister(this);
    const done = Promise.withResolvers<void>();
    this.#closing = done.promise;
    this.sender.close(this.#closedError("Waiting"));
    this.receiver.close(error);
    this.#pins.clear();
    closed().then(done.resolve, done.reject);
  }

  /** Ends the channel if an error tells that its memory is damaged; returns the error. */
  caught(error: unknown): unknown {
    const isFault = error instanceof ENetError && error.code === "ENETJS_ERR_FAULT";
    if (isFault && error !== this.#remoteEnded) this.#end(error);
    return error;
  }

  #closedError(what: string): ENetError {
    const ended = this.#remoteEnded;
    if (ended instanceof ENetError) return ended;
    const who = ended ? "the other side has closed the channel" : "the channel is closed";
    return new ENetError("ENETJS_ERR_CLOSED", `${what}: ${who}`);
  }

  /** Throws where nothing can be sent any more. */
  requireOpen(what: string): void {
    if (this.closed || this.#remoteEnded !== false) throw this.#closedError(what);
  }
}
