/**
 * The queue of what is written to the program: bounded, and of whole messages.
 *
 * @module
 */
import { SystemError } from "../../../ffi/posix.ts";
import { Fifo } from "../../internal/fifo.ts";
import type { NamedPipe } from "./named_pipe.ts";
import { type Output, PipeOutput, StandardOutput } from "./output.ts";

/** What a message counts at least, so that empty ones are bounded, too. */
const LEAST_BYTES = 64;

/** The callbacks of a sink. */
export interface SinkHandlers {
  /** The reader is gone and none will come, or the system refuses to write. Nothing is written any more. */
  failed(error: Error): void;
  /** The queue has fallen to half of its limit, after `isFull` was true. */
  drained?(): void;
}

/** How a sink queues. */
export interface SinkOptions extends SinkHandlers {
  /** Bytes that may wait; a message counts as 64 at least. */
  readonly limitBytes: number;
  /** Whether a message is dropped, the oldest first, where the queue would exceed the limit. */
  readonly drops: boolean;
}

/** What a sink has done. */
export interface SinkStats {
  /** Messages written whole. */
  readonly written: number;
  /** Messages that have been dropped. */
  readonly dropped: number;
}

/** Writes messages to the program: each whole, or not at all for a reader that is there from its beginning. */
export class ByteSink {
  readonly #options: SinkOptions;
  readonly #queue = new Fifo<Uint8Array>();
  #output: Output | undefined;
  /** The message that is written, and how much of it has been. */
  #current: Uint8Array | undefined;
  #offset = 0;
  #bytes = 0;
  #written = 0;
  #dropped = 0;
  #wasFull = false;
  #isClosed = false;
  #emptied: PromiseWithResolvers<void> | undefined;

  private constructor(options: SinkOptions) {
    this.#options = options;
  }

  /** Writes to standard output. */
  static async toStandardOutput(options: SinkOptions): Promise<ByteSink> {
    const sink = new ByteSink(options);
    sink.#output = await StandardOutput.open(() => sink.#changed());
    sink.#output.waitForEnd();
    return sink;
  }

  /** Writes to a named pipe. */
  static toPipe(pipe: NamedPipe, options: SinkOptions): ByteSink {
    const sink = new ByteSink(options);
    sink.#output = new PipeOutput(pipe, () => sink.#changed(), (error) => sink.#fail(error));
    return sink;
  }

  /** Whether somebody reads. */
  get isThere(): boolean {
    return this.#output?.isThere ?? false;
  }

  /** Bytes that wait; a message counts as 64 at least. */
  get queuedBytes(): number {
    const messages = this.#queue.size + Number(this.#current !== undefined);
    return Math.max(this.#bytes, LEAST_BYTES * messages);
  }

  /** Whether the queue has reached its limit. */
  get isFull(): boolean {
    return this.queuedBytes >= this.#options.limitBytes;
  }

  /** What it has done so far. */
  get stats(): SinkStats {
    return { written: this.#written, dropped: this.#dropped };
  }

  /** Queues a message, whose bytes must not be changed any more. */
  push(message: Uint8Array): void {
    if (this.#isClosed) return void this.#dropped++;
    this.#queue.push(message);
    this.#bytes += message.length;
    // Already waiting for room, there is nothing to try.
    if (this.#current === undefined) this.#drain();
    if (this.#options.drops) this.#dropOldest();
    this.#wasFull ||= this.isFull;
  }

  #dropOldest(): void {
    while (this.queuedBytes > this.#options.limitBytes) {
      const oldest = this.#takeOldest();
      if (oldest === undefined) return;
      this.#bytes -= oldest.length;
      this.#dropped++;
    }
  }

  /** All but the newest message, and but one of which a reader has had a part. */
  #takeOldest(): Uint8Array | undefined {
    if (this.#current === undefined || this.#offset > 0) {
      return this.#queue.size > 1 ? this.#queue.shift() : undefined;
    }
    if (this.#queue.size === 0) return undefined;
    const oldest = this.#current;
    this.#current = undefined;
    return oldest;
  }

  /** A reader has come, there is room, or the reader is gone. */
  #changed(): void {
    if (this.#isClosed) return;
    if (this.#output!.isThere && this.#output!.isHungUp()) this.#lose();
    else this.#drain();
  }

  #drain(): void {
    const output = this.#output!;
    while (!this.#isClosed && output.isThere) {
      this.#current ??= this.#queue.shift();
      if (this.#current === undefined) {
        output.waitForEnd();
        break;
      }
      const length = this.#write(this.#current.subarray(this.#offset));
      if (length === undefined) return;
      if (length < 0) return output.waitForRoom();
      this.#advance(length);
    }
    if (this.queuedBytes === 0) this.#emptied?.resolve();
  }

  #advance(length: number): void {
    this.#offset += length;
    const message = this.#current!;
    if (this.#offset < message.length) return;
    this.#current = undefined;
    this.#offset = 0;
    this.#bytes -= message.length;
    this.#written++;
    if (!this.#wasFull || this.queuedBytes > this.#options.limitBytes / 2) return;
    this.#wasFull = false;
    this.#options.drained?.();
  }

  /** @returns how much was written; -1 without room; `undefined` when the reader is gone */
  #write(bytes: Uint8Array): number | undefined {
    try {
      return this.#output!.write(bytes);
    } catch (error) {
      if (error instanceof SystemError && error.code === "EPIPE") this.#lose();
      else this.#fail(error);
    }
  }

  /** The next reader gets from its beginning the message of which the last one has had a part. */
  #lose(): void {
    this.#offset = 0;
    try {
      if (this.#output!.lose()) this.#emptied?.resolve();
      else this.#fail(new Error("Nobody reads standard output any more"));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#end();
    this.#options.failed(error instanceof Error ? error : new Error(String(error)));
  }

  #end(): void {
    this.#isClosed = true;
    this.#dropped += this.#queue.size + (this.#current === undefined ? 0 : 1);
    this.#bytes = 0;
    this.#output?.[Symbol.dispose]();
    this.#emptied?.resolve();
  }

  /**
   * Writes what waits, and closes. Without a reader it does not wait.
   *
   * @param graceMs how long a reader may take
   */
  async close(graceMs: number): Promise<void> {
    if (this.#isClosed) return;
    if (this.queuedBytes > 0 && this.#output!.isThere) {
      const emptied = this.#emptied = Promise.withResolvers<void>();
      const timer = setTimeout(emptied.resolve, graceMs);
      await emptied.promise;
      clearTimeout(timer);
    }
    if (!this.#isClosed) this.#end();
  }
}
