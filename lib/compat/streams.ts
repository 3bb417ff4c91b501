import type { Buffer } from "node:buffer";
import process from "node:process";
import { Duplex, Readable, Writable } from "node:stream";
import { ChannelWriter, lossOf } from "../internal/channel_io.ts";
import type { Connection } from "../internal/connection.ts";
import { Fifo } from "../internal/fifo.ts";
import { integer } from "../internal/validate.ts";
import { ENetError, type ENetErrorCode } from "../errors.ts";
import { report } from "./_report.ts";

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
      this.#connection()?.releaseBytes(bytes.length);
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
    this.#connection()?.holdBytes(bytes.length);
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
      this.#connection()?.releaseBytes(bytes.length);
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

/** For each stream, how many others are piped to it: each of these listens for its errors. */
const pipes = new WeakMap<Readable | Writable, number>();

function countPipes(stream: Writable): void {
  pipes.set(stream, 0);
  stream.on("pipe", () => pipes.set(stream, pipes.get(stream)! + 1));
  stream.on("unpipe", () => pipes.set(stream, pipes.get(stream)! - 1));
}

/** Whether the program itself listens for a stream's errors: otherwise one would end the process. */
function isWatched(stream: Readable | Writable): boolean {
  return stream.listenerCount("error") > (pipes.get(stream) ?? 0);
}

/** Closes a stream; the loss of its connection is an error only where the program listens for errors. */
function closeStream(stream: Readable | Writable, loss: Error | undefined): void {
  if (loss !== undefined && isWatched(stream)) stream.destroy(loss);
  else stream.destroy();
}

/** Ends a stream that reads, when everything has been read. */
function endStream(stream: Readable, loss: Error | undefined): void {
  if (loss !== undefined && isWatched(stream)) stream.destroy(loss);
  else stream.push(null);
}

/** What sending fails with once a connection is over, or ends. */
const ENDS: ReadonlySet<ENetErrorCode> = new Set<ENetErrorCode>([
  "ENETJS_ERR_STALE",
  "ENETJS_ERR_NOT_CONNECTED",
  "ENETJS_ERR_UNDELIVERED",
  "ENETJS_ERR_CLOSED",
]);

/** A stream that writes to a channel. */
class ChannelOutput {
  /** What the program wants to be told of writes that Node still holds, in order. */
  readonly #callbacks = new Fifo<{ callback: Callback | undefined }>();
  readonly #streams: PeerStreams;
  readonly #channel: number;
  #writer: ChannelWriter | undefined;
  #isRefused = false;
  stream!: Writable;

  constructor(streams: PeerStreams, channel: number) {
    this.#streams = streams;
    this.#channel = channel;
  }

  /**
   * Puts itself between the program and the stream: callbacks of writes wait for the acknowledgement,
   * and a write after the end is an error.
   */
  attach(stream: Writable): void {
    this.stream = stream;
    countPipes(stream);
    const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
    stream.write = (chunk: unknown, ...rest: unknown[]): boolean => {
      const callback = rest.find((argument) => typeof argument === "function");
      if (this.#streams.over) return this.#refuse(callback as Callback | undefined);
      if (stream.destroyed || stream.writableEnded) return write(chunk, ...rest);
      const entry = { callback: callback as Callback | undefined };
      this.#callbacks.push(entry);
      try {
        return write(chunk, ...rest.filter((argument) => argument !== callback));
      } catch (error) {
        this.#callbacks.extract((other) => other === entry);
        throw error;
      }
    };
  }

  /** Fails a write after the end. The stream emits the error for the first such write only. */
  #refuse(callback: Callback | undefined): boolean {
    const error = notConnected();
    process.nextTick(() => {
      report(callback, error);
      if (this.#isRefused) return;
      this.#isRefused = true;
      if (this.stream.destroyed) this.stream.emit("error", error);
      else this.stream.destroy(error);
    });
    return false;
  }

  construct(callback: Callback): void {
    this.#streams.whenOpen((connection) => {
      if (connection === undefined) {
        closeStream(this.stream, notConnected());
        return callback();
      }
      try {
        this.#streams.validate(this.#channel);
      } catch (refused) {
        return callback(refused as Error);
      }
      const { maximumPacketSize } = connection.endpoint.settings;
      this.#writer = new ChannelWriter(connection, this.#channel, maximumPacketSize);
      this.#writer.onEnd((loss) => this.#end(lossOf(connection) && loss));
      callback();
    });
  }

  write(chunk: Uint8Array, callback: Callback): void {
    const { callback: told } = this.#callbacks.shift() ?? {};
    this.#settle(
      (this.#writer as ChannelWriter).write(
        chunk,
        told && ((error) => report(told, error)),
      ),
      callback,
    );
  }

  final(callback: Callback): void {
    this.#settle((this.#writer as ChannelWriter).flushed(), callback);
  }

  #settle(promise: Promise<void>, callback: Callback): void {
    promise.then(() => callback(), (error) => {
      const connection = this.#streams.connection as Connection;
      // The connection may be over before this side has heard of it.
      if (!connection.sendable || ENDS.has((error as ENetError).code)) {
        return this.#end(lossOf(connection) && error, () => callback(error));
      }
      callback(error);
    }).finally(() => this.#streams.onWritten());
  }

  /** The connection is over. What has arrived is still to be read, where that is no error. */
  #end(loss: Error | undefined, then?: () => void): void {
    const { stream } = this;
    const close = () => {
      closeStream(stream, loss);
      then?.();
    };
    const isError = loss !== undefined && isWatched(stream);
    if (isError || !(stream instanceof Duplex) || stream.readableEnded) return close();
    if (then !== undefined) stream.once("end", close);
  }

  destroy(error: Error | null, callback: Callback): void {
    this.#writer?.detach();
    const lost = this.#streams.connection?.undelivered() ?? notConnected();
    for (let entry = this.#callbacks.shift(); entry; entry = this.#callbacks.shift()) {
      report(entry.callback, error ?? lost);
    }
    this.#streams.left(this.stream);
    callback(error);
  }
}

/** The Node streams of one peer. Before it is connected they wait. */
export class PeerStreams {
  /** Called when a stream has written something, or will write no more. */
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

  /** The connection is over, or will never be; the error is one if this side has forgotten it. */
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

  /** Refuses channels that cannot be, or that the connection has not. */
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

/** Streams of a connection that has ended: they fail when the program uses them. */
export const endedStreams = {
  readable(): Readable {
    return new Readable({
      read() {
        endStream(this, notConnected());
      },
    });
  },
  writable(): Writable {
    const stream = new Writable({
      write(_chunk, _encoding, callback) {
        refuseWrite(this, callback);
      },
    });
    countPipes(stream);
    return stream;
  },
  duplex(): Duplex {
    const stream = new Duplex({
      allowHalfOpen: false,
      read() {
        endStream(this, notConnected());
      },
      write(_chunk, _encoding, callback) {
        refuseWrite(this, callback);
      },
    });
    countPipes(stream);
    return stream;
  },
};

function refuseWrite(stream: Writable, callback: Callback): void {
  const error = notConnected();
  closeStream(stream, error);
  callback(error);
}
