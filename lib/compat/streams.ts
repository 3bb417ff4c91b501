import type { Buffer } from "node:buffer";
import { Duplex, Readable, Writable } from "node:stream";
import { ChannelWriter, lossOf } from "../internal/channel_io.ts";
import type { Connection } from "../internal/connection.ts";
import { Fifo } from "../internal/fifo.ts";
import { integer } from "../internal/validate.ts";
import { ENetError } from "../errors.ts";

type Callback = (error?: Error | null) => void;

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

/** A stream that reads, and whether it wants more. */
interface Sink {
  readonly stream: Readable;
  wants: boolean;
}

/** Gives what comes on one channel to the streams of it, as fast as the slowest of them takes it. */
class ChannelFeed {
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
      this.#connection()?.release(bytes.length);
    }
    return false;
  }

  want(stream: Readable): void {
    const sink = this.#sinks.get(stream);
    if (sink !== undefined) sink.wants = true;
    this.#flow();
  }

  /** A message; while it waits here, it counts against what the peer may have waiting. */
  receive(bytes: Buffer): void {
    this.#connection()?.hold(bytes.length);
    this.#inbox.push(bytes);
    this.#flow();
  }

  /** No message will come any more. */
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
      this.#connection()?.release(bytes.length);
      for (const sink of this.#sinks.values()) sink.wants = sink.stream.push(bytes);
    }
    if (this.#inbox.size === 0 && this.#end !== undefined) {
      for (const stream of this.#sinks.keys()) this.#end(stream);
      this.#sinks.clear();
    }
  }
}

/** The error of a stream of a peer that is not connected any more. */
function notConnected(): ENetError {
  return new ENetError("ENETJS_ERR_NOT_CONNECTED", "peer-not-connected");
}

/** The Node streams of one peer. Before it is connected they wait. */
export class PeerStreams {
  readonly #onWritten: () => void;
  readonly #feeds = new Map<number, ChannelFeed>();
  readonly #writers = new Set<Writable>();
  #connection: Connection | undefined;
  #closed = false;
  /** What streams do once the peer is connected, or with an error when it will not be. */
  #waiting: ((error?: Error) => void)[] = [];

  /** @param onWritten is called when a stream has written something, or will write no more */
  constructor(onWritten: () => void) {
    this.#onWritten = onWritten;
  }

  /** Whether some stream has bytes that it has not given to the peer yet. */
  get writing(): boolean {
    return [...this.#writers].some((stream) => stream.writableLength > 0 && !stream.destroyed);
  }

  /** The peer is connected. */
  open(connection: Connection): void {
    this.#connection = connection;
    this.#answer(undefined);
  }

  /** The connection is over, or will never be; the error is one if this side has forgotten it. */
  close(forgotten?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#answer(notConnected());
    const connection = this.#connection;
    const loss = forgotten ?? (connection === undefined ? notConnected() : lossOf(connection));
    for (const feed of this.#feeds.values()) {
      feed.end((stream) => loss === undefined ? stream.push(null) : stream.destroy(loss));
    }
  }

  /** Whether somebody reads a channel. */
  reads(channel: number): boolean {
    return this.#feeds.has(channel);
  }

  /** A message on a channel that somebody reads. */
  receive(channel: number, bytes: Buffer): void {
    this.#feeds.get(channel)?.receive(bytes);
  }

  #answer(error: Error | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const answer of waiting) answer(error);
  }

  #whenOpen(action: (error?: Error) => void): void {
    if (this.#connection !== undefined) action();
    else if (this.#closed) action(notConnected());
    else this.#waiting.push(action);
  }

  /** Refuses channels that cannot be, or that the connection has not. */
  #validate(channel: number): void {
    const last = (this.#connection?.channels ?? 255) - 1;
    integer(channel, "channel", 0, last);
  }

  readable(channel: number): Readable {
    this.#validate(channel);
    const stream: Readable = new Readable(this.#readSide(channel, () => stream));
    this.#attachReader(stream, channel);
    return stream;
  }

  writable(channel: number): Writable {
    this.#validate(channel);
    const stream: Writable = new Writable(
      this.#writeSide(channel, () => stream, (loss) => stream.destroy(loss)),
    );
    this.#writers.add(stream);
    return stream;
  }

  duplex(channel: number): Duplex {
    this.#validate(channel);
    const reading = this.#readSide(channel, () => stream);
    // Where nothing is lost, what has arrived is still to be read, and ends the writable side then.
    const writing = this.#writeSide(
      channel,
      () => stream,
      (loss) => void (loss && stream.destroy(loss)),
    );
    const stream: Duplex = new Duplex({
      ...reading,
      ...writing,
      allowHalfOpen: false,
      destroy(error, callback) {
        reading.destroy(error, () => writing.destroy(error, callback));
      },
    });
    this.#writers.add(stream);
    this.#attachReader(stream, channel);
    return stream;
  }

  #attachReader(stream: Readable, channel: number): void {
    const feed = this.#feeds.get(channel) ?? new ChannelFeed(() => this.#connection);
    this.#feeds.set(channel, feed);
    feed.add(stream);
    if (this.#connection !== undefined) return;
    this.#whenOpen(() => {
      try {
        this.#validate(channel);
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

  #writeSide(
    channel: number,
    self: () => Writable,
    onEnd: (loss: ENetError | undefined) => void,
  ): WriteSide {
    let writer: ChannelWriter | undefined;
    // What this side has dropped by ending the connection at once is no failure of the stream.
    const dropped = () => this.#connection?.ending?.reason === "local";
    const settle = (promise: Promise<void>, callback: Callback) =>
      promise.then(() => callback(), (error) => {
        if (dropped()) self().destroy();
        callback(error);
      }).finally(this.#onWritten);
    return {
      // Node holds writes back until this has called back.
      construct: (callback) =>
        this.#whenOpen((error) => {
          if (error !== undefined) return callback(error);
          try {
            this.#validate(channel);
          } catch (refused) {
            return callback(refused as Error);
          }
          const connection = this.#connection as Connection;
          const { maximumPacketSize } = connection.endpoint.settings;
          writer = new ChannelWriter(connection, channel, maximumPacketSize);
          writer.onEnd((loss) => onEnd(dropped() ? undefined : loss));
          callback();
        }),
      write: (chunk, _encoding, callback) =>
        void settle((writer as ChannelWriter).write(chunk), callback),
      final: (callback) => void settle((writer as ChannelWriter).flushed(), callback),
      destroy: (error, callback) => {
        writer?.detach();
        this.#writers.delete(self());
        callback(error);
        this.#onWritten();
      },
    };
  }
}
