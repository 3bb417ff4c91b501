/**
 * The backplane between the threads of a process.
 *
 * @module
 */
import { show } from "../internal/validate.ts";
import type { Backplane, BackplaneConnection, BackplaneHandlers } from "./backplane.ts";

class WorkersConnection implements BackplaneConnection {
  readonly queuedBytes = 0;
  readonly lagMs = 0;
  readonly maximumMessageSize = 2 ** 30;
  readonly #topics = new Set<string>();
  readonly #channel: BroadcastChannel;
  #closed = false;

  constructor(name: string, { message }: BackplaneHandlers) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => {
      const { topic, bytes } = Object(data);
      if (!this.#closed && this.#topics.has(topic) && bytes instanceof Uint8Array) {
        message(topic, bytes);
      }
    };
  }

  subscribe(topic: string): Promise<void> {
    this.#topics.add(topic);
    return Promise.resolve();
  }

  unsubscribe(topic: string): void {
    this.#topics.delete(topic);
  }

  publish(topic: string, bytes: Uint8Array): boolean {
    if (!this.#closed) this.#channel.postMessage({ topic, bytes });
    return !this.#closed;
  }

  close(): Promise<void> {
    if (!this.#closed) this.#channel.close();
    this.#closed = true;
    return Promise.resolve();
  }
}

/**
 * Makes a backplane between the Workers of a process, over a `BroadcastChannel`. It has neither history nor leases. Each
 * message goes to every thread, so it is for a few of them.
 *
 * @param name the name of the channel; Workers that give the same one find each other
 * @returns the backplane
 * @throws {TypeError} if `name` is no string
 */
export function workers(name: string): Backplane {
  if (typeof name !== "string") throw new TypeError(`name must be a string, not ${show(name)}`);
  return { connect: (_id, handlers) => Promise.resolve(new WorkersConnection(name, handlers)) };
}
