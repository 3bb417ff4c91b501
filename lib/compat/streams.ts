import type { Buffer } from "node:buffer";
import { Duplex, Readable, Writable } from "node:stream";
import { lossOf } from "../internal/channel_io.ts";
import type { Connection } from "../internal/connection.ts";
import { integer } from "../internal/validate.ts";
import { ChannelFeed } from "./channel_feed.ts";
import { type Callback, ChannelOutput, type OutputStreams } from "./channel_output.ts";
import { endStream, notConnected } from "./stream_ends.ts";

/** What makes a Node stream read a channel. */
interface ReadSide {
  read(): void;
  destroy(error: Error | null, callback: Callback): void;
}

/** What makes a Node stream write to a channel. */
interface WriteSide {
  construct(callback: Callback): void;
  write(chunk: Uint8Array, encoding: string, callback: Callback): void;
  final(callback: Callback): void;
  destroy(error: Error | null, callback: Callback): void;
}

/** The Node streams of one peer. Streams that are made before the peer is connected wait until then. */
export class PeerStreams implements OutputStreams {
  /**
   * Called when some bytes of a stream have been given to the peer or have failed. Called when a stream has ended,
   * too.
   */
  readonly onWritten: () => void;
  readonly #feeds = new Map<number, ChannelFeed>();
  readonly #writers = new Set<Writable>();
  #connection: Connection | undefined;
  #closed = false;
  /** What streams do once the peer is connected, or will not be. */
  #waiting: ((connection: Connection | undefined) => void)[] = [];

  constructor(onWritten: () => void) {
    this.onWritten = onWritten;
  }

  /** Whether some stream has bytes that it has not given to the peer yet. */
  get writing(): boolean {
    return [...this.#writers].some((stream) => stream.writableLength > 0 && !stream.destroyed);
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Whether the program knows that nothing can be sent any more. */
  get over(): boolean {
    return this.#closed || (this.#connection?.closing ?? false);
  }

  /** The peer is connected. */
  open(connection: Connection): void {
    this.#connection = connection;
    this.#answer(connection);
  }

  /**
   * The connection is over, or the attempt has failed.
   *
   * @param forgotten the error of the streams, if this side has reset the connection
   */
  close(forgotten?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#answer(undefined);
    const connection = this.#connection;
    const loss = forgotten ?? (connection === undefined ? notConnected() : lossOf(connection));
    for (const feed of this.#feeds.values()) feed.end((stream) => endStream(stream, loss));
  }

  /** Whether somebody reads a channel. */
  reads(channel: number): boolean {
    return this.#feeds.has(channel);
  }

  /** A message on a channel that somebody reads. */
  receive(channel: number, bytes: Buffer): void {
    this.#feeds.get(channel)?.receive(bytes);
  }

  #answer(connection: Connection | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const answer of waiting) answer(connection);
  }

  /** Does something once the peer is connected, or without a connection when it will not be. */
  whenOpen(action: (connection: Connection | undefined) => void): void {
    if (this.#connection !== undefined || this.#closed) action(this.#connection);
    else this.#waiting.push(action);
  }

  /** Throws for a channel that no connection can have, or that this one does not have. */
  validate(channel: number): void {
    const last = (this.#connection?.channels ?? 255) - 1;
    integer(channel, "channel", 0, last);
  }

  readable(channel: number): Readable {
    this.validate(channel);
    const stream: Readable = new Readable(this.#readSide(channel, () => stream));
    this.#attachReader(stream, channel);
    return stream;
  }

  writable(channel: number): Writable {
    this.validate(channel);
    const output = new ChannelOutput(this, channel);
    const stream = new Writable(this.#writeSide(output));
    output.attach(stream);
    this.#writers.add(stream);
    return stream;
  }

  duplex(channel: number): Duplex {
    this.validate(channel);
    const output = new ChannelOutput(this, channel);
    const reading = this.#readSide(channel, () => stream);
    const stream: Duplex = new Duplex({
      ...reading,
      ...this.#writeSide(output),
      allowHalfOpen: false,
      destroy(error, callback) {
        reading.destroy(error, () => output.destroy(error, callback));
      },
    });
    output.attach(stream);
    this.#writers.add(stream);
    this.#attachReader(stream, channel);
    return stream;
  }

  /** A stream that writes will write no more. */
  left(stream: Writable): void {
    this.#writers.delete(stream);
    this.onWritten();
  }

  #attachReader(stream: Readable, channel: number): void {
    const feed = this.#feeds.get(channel) ?? new ChannelFeed(() => this.#connection);
    this.#feeds.set(channel, feed);
    feed.add(stream);
    if (this.#connection !== undefined) return;
    this.whenOpen((connection) => {
      try {
        if (connection !== undefined) this.validate(channel);
      } catch (refused) {
        stream.destroy(refused as Error);
      }
    });
  }

  #readSide(channel: number, self: () => Readable): ReadSide {
    return {
      read: () => this.#feeds.get(channel)?.want(self()),
      destroy: (error, callback) => {
        if (this.#feeds.get(channel)?.remove(self()) === false) this.#feeds.delete(channel);
        callback(error);
      },
    };
  }

  #writeSide(output: ChannelOutput): WriteSide {
    return {
      // Node holds writes back until this has called back.
      construct: (callback) => output.construct(callback),
      write: (chunk, _encoding, callback) => output.write(chunk, callback),
      final: (callback) => output.final(callback),
      destroy: (error, callback) => output.destroy(error, callback),
    };
  }
}
