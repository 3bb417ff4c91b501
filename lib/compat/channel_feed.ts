import type { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import type { Connection } from "../internal/connection.ts";
import { Fifo } from "../internal/fifo.ts";

/** A stream that reads a channel, and whether Node wants more bytes for it. */
interface Sink {
  readonly stream: Readable;
  wants: boolean;
}

/** Gives the messages of one channel to its streams. The slowest stream sets the pace for all. */
export class ChannelFeed {
  readonly #connection: () => Connection | undefined;
  readonly #sinks = new Map<Readable, Sink>();
  readonly #inbox = new Fifo<Buffer>();
  #end: ((stream: Readable) => void) | undefined;

  constructor(connection: () => Connection | undefined) {
    this.#connection = connection;
  }

  add(stream: Readable): void {
    this.#sinks.set(stream, { stream, wants: false });
  }

  /** @returns whether streams are left */
  remove(stream: Readable): boolean {
    this.#sinks.delete(stream);
    if (this.#sinks.size > 0) {
      this.#flow();
      return true;
    }
    for (let bytes = this.#inbox.shift(); bytes; bytes = this.#inbox.shift()) {
      this.#connection()?.releaseBytes(bytes.length);
    }
    return false;
  }

  want(stream: Readable): void {
    const sink = this.#sinks.get(stream);
    if (sink !== undefined) sink.wants = true;
    this.#flow();
  }

  /** Takes a message. While it waits here, it counts towards the bytes that the peer may have waiting. */
  receive(bytes: Buffer): void {
    this.#connection()?.holdBytes(bytes.length);
    this.#inbox.push(bytes);
    this.#flow();
  }

  /** No message will come any more: ends each stream once it has had what waits here. */
  end(how: (stream: Readable) => void): void {
    this.#end = how;
    this.#flow();
  }

  get #wanted(): boolean {
    for (const { wants } of this.#sinks.values()) if (!wants) return false;
    return this.#sinks.size > 0;
  }

  #flow(): void {
    while (this.#inbox.size > 0 && this.#wanted) {
      const bytes = this.#inbox.shift() as Buffer;
      this.#connection()?.releaseBytes(bytes.length);
      for (const sink of this.#sinks.values()) sink.wants = sink.stream.push(bytes);
    }
    if (this.#inbox.size === 0 && this.#end !== undefined) {
      for (const stream of this.#sinks.keys()) this.#end(stream);
      this.#sinks.clear();
    }
  }
}
