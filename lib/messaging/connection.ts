import { makeInspectable } from "../internal/inspect.ts";
import { formatAddress } from "./address.ts";
import type { Link } from "./link.ts";
import type {
  Connection,
  ConnectionEnd,
  ConnectionHandlers,
  ConnectionStats,
  GetOptions,
  Incoming,
  MessengerAddress,
  Payload,
  Protocol,
  SendOptions,
} from "./types.ts";

/** A link as programs get it. */
export class MessengerConnection implements Connection {
  context: unknown;
  readonly #link: Link;

  constructor(link: Link, context: unknown) {
    this.#link = link;
    this.context = context;
    Object.preventExtensions(this); // a misspelt property is a TypeError
  }

  get protocol(): Protocol {
    return this.#link.transport.address.protocol;
  }

  get address(): MessengerAddress {
    return { ...this.#link.transport.address };
  }

  get handlers(): ConnectionHandlers {
    return this.#link.consumer.handlers;
  }
  set handlers(handlers: ConnectionHandlers) {
    this.#link.consumer.handlers = handlers;
  }

  get end(): ConnectionEnd | undefined {
    return this.#link.end;
  }

  get closed(): Promise<ConnectionEnd> {
    return this.#link.closed.promise;
  }

  get stats(): ConnectionStats {
    return this.#link.stats;
  }

  send(data?: unknown, options?: SendOptions): boolean {
    return this.#link.send(data, options);
  }

  get(data?: unknown, options?: GetOptions): Promise<Payload> {
    return this.#link.get(data, options);
  }

  drain(): Promise<void> {
    return this.#link.drain();
  }

  close(): Promise<ConnectionEnd> {
    return this.#link.close();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Incoming> {
    return this.#link.consumer.iterate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  static {
    makeInspectable(this.prototype, "Connection", ({ address, end }) => {
      return formatAddress(address) + (end === undefined ? "" : `, ended: ${end.reason}`);
    });
  }
}
