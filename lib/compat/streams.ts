import { Buffer } from "node:buffer";
import { Duplex, Readable, Writable } from "node:stream";
import { ChannelReader, ChannelWriter } from "../_channel_io.ts";
import type { Connection } from "../_connection.ts";
import { integer } from "../_validate.ts";
import { ENetError } from "../errors.ts";
import { type Packet, packetAccess } from "./packet.ts";

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

/** Reads one channel for the streams of it, as fast as the slowest of them. */
class ChannelFeed {
  readonly #reader: ChannelReader;
  readonly #sinks = new Map<Readable, Sink>();
  readonly #onMessage: (packet: Packet) => void;
  readonly #onEmpty: () => void;
  #reading = false;

  constructor(reader: ChannelReader, onMessage: (packet: Packet) => void, onEmpty: () => void) {
    this.#reader = reader;
    this.#onMessage = onMessage;
    this.#onEmpty = onEmpty;
  }

  want(stream: Readable): void {
    const sink = this.#sinks.get(stream);
    if (sink === undefined) this.#sinks.set(stream, { stream, wants: true });
    else sink.wants = true;
    if (!this.#reading) this.#read();
  }

  add(stream: Readable): void {
    this.#sinks.set(stream, { stream, wants: false });
  }

  remove(stream: Readable): void {
    this.#sinks.delete(stream);
    if (this.#sinks.size > 0) {
      if (!this.#reading) this.#read();
      return;
    }
    this.#reader.cancel();
    this.#onEmpty();
  }

  get #wanted(): boolean {
    return this.#sinks.size > 0 && [...this.#sinks.values()].every(({ wants }) => wants);
  }

  async #read(): Promise<void> {
    this.#reading = true;
    try {
      while (this.#wanted) {
        using message = await this.#reader.read();
        if (message === undefined) return this.#end((stream) => stream.push(null));
        const { bytes: { buffer, byteOffset, byteLength }, flags } = message;
        const bytes = Buffer.from(buffer, byteOffset, byteLength);
        this.#onMessage(packetAccess.received(bytes, flags));
        for (const sink of this.#sinks.values()) sink.wants = sink.stream.push(bytes);
      }
    } catch (error) {
      this.#end((stream) => stream.destroy(error as Error));
    } finally {
      this.#reading = false;
    }
  }

  #end(how: (stream: Readable) => void): void {
    const streams = [...this.#sinks.keys()];
    this.#sinks.clear();
    this.#onEmpty();
    streams.forEach(how);
  }
}

/** The error of a stream of a peer that is not connected any more. */
function notConnected(): ENetError {
  return new ENetError("ENETJS_ERR_NOT_CONNECTED", "peer-not-connected");
}

/** The Node streams of one peer. Before it is connected they wait. */
export class PeerStreams {
  readonly #onMessage: (packet: Packet, channel: number) => void;
  readonly #onWritten: () => void;
  readonly #feeds = new Map<number, ChannelFeed>();
  readonly #writers = new Set<Writable>();
  #connection: Connection | undefined;
  #closed = false;
  /** What streams do once the peer is connected, or with an error when it will not be. */
  #waiting: ((error?: Error) => void)[] = [];

  constructor(onMessage: (packet: Packet, channel: number) => void, onWritten: () => void) {
    this.#onMessage = onMessage;
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

  /** The connection is over, or will never be. */
  close(): void {
    this.#closed = true;
    this.#answer(notConnected());
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

  /** Takes the channel for a stream, now or once connected. */
  #attachReader(stream: Readable, channel: number): void {
    this.#whenOpen((error) => {
      if (stream.destroyed) return;
      if (error !== undefined) return void stream.destroy(error);
      try {
        this.#feed(channel).add(stream);
      } catch (refused) {
        stream.destroy(refused as Error);
      }
    });
  }

  #feed(channel: number): ChannelFeed {
    const known = this.#feeds.get(channel);
    if (known !== undefined) return known;
    this.#validate(channel);
    const feed = new ChannelFeed(
      new ChannelReader(this.#connection as Connection, channel),
      (packet) => this.#onMessage(packet, channel),
      () => void this.#feeds.delete(channel),
    );
    this.#feeds.set(channel, feed);
    return feed;
  }

  #readSide(channel: number, self: () => Readable): ReadSide {
    return {
      read: () => this.#whenOpen(() => this.#feeds.get(channel)?.want(self())),
      destroy: (error, callback) => {
        this.#feeds.get(channel)?.remove(self());
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
    const settle = (promise: Promise<void>, callback: Callback) =>
      promise.then(() => callback(), callback).finally(this.#onWritten);
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
          writer.onEnd(onEnd);
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
