import process from "node:process";
import { Duplex, type Writable } from "node:stream";
import { ChannelWriter, lossOf } from "../internal/channel_io.ts";
import type { Connection } from "../internal/connection.ts";
import { Fifo } from "../internal/fifo.ts";
import type { ENetError, ENetErrorCode } from "../errors.ts";
import { report } from "./_report.ts";
import { closeStream, countPipes, isWatched, notConnected } from "./stream_ends.ts";

/** What Node calls when a part of a stream is done. */
export type Callback = (error?: Error | null) => void;

/** What a stream that writes needs of the streams of its peer. */
export interface OutputStreams {
  /** The connection, once there has been one. */
  readonly connection: Connection | undefined;
  /** Whether the program knows that nothing can be sent any more. */
  readonly over: boolean;
  /** Does something once the peer is connected, or without a connection when it will not be. */
  whenOpen(action: (connection: Connection | undefined) => void): void;
  /** Throws for a channel that the connection does not have. */
  validate(channel: number): void;
  /** Some bytes of a stream have been given to the peer, or have failed. */
  onWritten(): void;
  /** A stream will write no more. */
  left(stream: Writable): void;
}

/** Codes of errors that mean: the connection is over, or ends. */
const ENDS: ReadonlySet<ENetErrorCode> = new Set<ENetErrorCode>([
  "ENETJS_ERR_STALE",
  "ENETJS_ERR_NOT_CONNECTED",
  "ENETJS_ERR_UNDELIVERED",
  "ENETJS_ERR_CLOSED",
]);

/** A stream that writes to a channel. */
export class ChannelOutput {
  /** The callbacks of writes that Node still holds, in order. */
  readonly #callbacks = new Fifo<{ callback: Callback | undefined }>();
  readonly #streams: OutputStreams;
  readonly #channel: number;
  #writer: ChannelWriter | undefined;
  #isRefused = false;
  stream!: Writable;

  constructor(streams: OutputStreams, channel: number) {
    this.#streams = streams;
    this.#channel = channel;
  }

  /**
   * Replaces the `write` of a stream. Callbacks of writes then wait for the acknowledgement, and a write
   * after the end is an error.
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
      // The connection may be over although its disconnect event has not been dispatched.
      if (!connection.sendable || ENDS.has((error as ENetError).code)) {
        return this.#end(lossOf(connection) && error, () => callback(error));
      }
      callback(error);
    }).finally(() => this.#streams.onWritten());
  }

  /** The connection is over. A duplex stream without an error first lets the program read what has arrived. */
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
