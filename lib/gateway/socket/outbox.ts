/**
 * What waits to be sent to one client: data frames in order, and answers to pings, which overtake them.
 *
 * Frames of one turn of the event loop go to the socket together. While the socket has enough, they wait here, where
 * a newer one can replace them and where they can be counted.
 *
 * @module
 */
import process from "node:process";
import type { Socket } from "node:net";
import { Fifo } from "../../internal/fifo.ts";

/** Small frames are put together until they have this size. */
const PIECE_BYTES = 64 * 1024;

/** Pongs that wait at most; RFC 6455 (5.5.3) lets a newer one stand for those before. */
const MOST_PONGS = 16;

/** What a frame that waits counts at least, so that small ones do not take many times the memory that is counted. */
const LEAST_BYTES = 64;

type Frame = Uint8Array<ArrayBuffer>;

/** A frame that waits. */
interface Waiting {
  frame: Frame;
  readonly key: number | undefined;
}

/** The queue of a client. */
export class Outbox {
  readonly #stream: Socket;
  readonly #write: (bytes: Uint8Array) => boolean;
  readonly #onFlushed: () => void;
  readonly #frames = new Fifo<Waiting>();
  readonly #byKey = new Map<number, Waiting>();
  readonly #pongs: Frame[] = [];
  #bytes = 0;
  #isBlocked = false;
  #isFlushDue = false;

  /**
   * @param stream the client's; from now on whatever else writes to it sends what waits here first
   * @param onFlushed called when the socket has taken what it can
   */
  constructor(stream: Socket, onFlushed: () => void) {
    this.#stream = stream;
    this.#onFlushed = onFlushed;
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    this.#write = write;
    // So a close frame of `ws` comes behind the messages before it, also when a fault in the same turn is its cause.
    stream.write = (...args: unknown[]) => {
      this.#flushAll();
      return write(...args);
    };
    stream.on("drain", () => {
      this.#isBlocked = false;
      this.flush();
    });
  }

  /** Bytes that wait here and in the socket; a frame that waits here counts as 64 at least. */
  get bytes(): number {
    return Math.max(this.#bytes, LEAST_BYTES * this.#frames.size) + this.#stream.writableLength;
  }

  /** Whether the socket has all that was to be sent. */
  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Whether a frame with this key waits. */
  has(key: number): boolean {
    return this.#byKey.has(key);
  }

  /** Queues a frame. One with the same key is replaced, and the result is `true` then. */
  push(frame: Frame, key?: number): boolean {
    if (key !== undefined) {
      const waiting = this.#byKey.get(key);
      if (waiting !== undefined) {
        this.#bytes += frame.length - waiting.frame.length;
        waiting.frame = frame;
        return true;
      }
    }
    const waiting = { frame, key };
    this.#frames.push(waiting);
    if (key !== undefined) this.#byKey.set(key, waiting);
    this.#added(frame);
    return false;
  }

  /** Queues a pong. */
  pushPong(frame: Frame): void {
    if (this.#pongs.length === MOST_PONGS) this.#bytes -= this.#pongs.shift()!.length;
    this.#pongs.push(frame);
    this.#added(frame);
  }

  #added(frame: Frame): void {
    this.#bytes += frame.length;
    if (this.#isBlocked) return;
    if (this.#bytes >= PIECE_BYTES) this.#hand();
    else this.flushSoon();
  }

  /** Flushes when the program is done with this turn. */
  flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    // Behind what the program does in this turn, also in promises.
    queueMicrotask(() => process.nextTick(() => this.#flushLate()));
  }

  #flushLate(): void {
    this.#isFlushDue = false;
    this.flush();
  }

  /** Gives the socket what it takes, and reports progress. */
  flush(): void {
    this.#hand();
    this.#onFlushed();
  }

  #hand(): void {
    while (!this.#isBlocked && this.#bytes > 0 && !this.#stream.destroyed) {
      this.#isBlocked = !this.#write(this.#piece());
    }
  }

  /** Gives the socket everything. */
  #flushAll(): void {
    while (this.#bytes > 0) this.#isBlocked = !this.#write(this.#piece());
  }

  /** Removes the next frames, as many as are sent together. */
  #piece(): Frame {
    const first = this.#next()!;
    let size = first.length;
    const frames = [first];
    while (size < PIECE_BYTES) {
      const frame = this.#next(PIECE_BYTES - size);
      if (frame === undefined) break;
      frames.push(frame);
      size += frame.length;
    }
    this.#bytes -= size;
    if (frames.length === 1) return first;
    const piece = new Uint8Array(size);
    let at = 0;
    for (const frame of frames) {
      piece.set(frame, at);
      at += frame.length;
    }
    return piece;
  }

  #next(room = Infinity): Frame | undefined {
    const pong = this.#pongs.shift();
    if (pong !== undefined) return pong;
    const waiting = this.#frames.peek();
    if (waiting === undefined || waiting.frame.length > room) return undefined;
    this.#frames.shift();
    if (waiting.key !== undefined) this.#byKey.delete(waiting.key);
    return waiting.frame;
  }

  /** Drops what waits. */
  clear(): void {
    this.#frames.extract(() => true);
    this.#byKey.clear();
    this.#pongs.length = 0;
    this.#bytes = 0;
  }
}
