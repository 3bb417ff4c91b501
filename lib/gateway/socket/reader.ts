/**
 * The bytes of a client on their way to `ws`: followed frame by frame for the limits that `ws` does not have, and given
 * out for a part of each turn of the event loop, so that a flood lets timers and other clients run in between.
 *
 * @module
 */
import type { Socket } from "node:net";
import { beginTask, endTask, Later, spentNow, TURN_BUDGET_MS } from "../../internal/turn.ts";
import type { WsSocket } from "./_ws.ts";
import type { Finding, FrameFollower } from "./frames.ts";

/** Bytes that are given out between two looks at the clock; more where there are few frames in them. */
const STEP_BYTES = 1024;
const FEW_FRAMES = 16;

/** The callbacks of a reader. */
export interface ReaderHandlers {
  /** Bytes have come. */
  heard(): void;
  /** The last frame that `ws` has got, or will not get, is one of these. */
  found(finding: Exclude<Finding, "none">): void;
}

/** Reads a client. */
export class SocketReader {
  readonly #stream: Socket;
  readonly #ws: WsSocket;
  readonly #handlers: ReaderHandlers;
  readonly #frames: FrameFollower;
  readonly #feed: (chunk: Uint8Array) => void;
  readonly #rest: Later = new Later(() => this.#release());
  #isOver = false;
  #isPaused = false;
  /** The stream is paused: by the program, or because the turn is spent. */
  #isHeld = false;

  /** @param stream the client's, which `ws` listens to: from now on it gets what this gives */
  constructor(stream: Socket, ws: WsSocket, frames: FrameFollower, handlers: ReaderHandlers) {
    this.#stream = stream;
    this.#ws = ws;
    this.#frames = frames;
    this.#handlers = handlers;
    const feed = stream.listeners("data").at(-1) as (chunk: Uint8Array) => void;
    stream.removeListener("data", feed);
    this.#feed = feed.bind(stream);
  }

  /** Whether nothing that still comes is looked at. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Begins to read, with what came behind the request. */
  start(rest: Uint8Array): void {
    this.#stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    if (rest.length > 0) this.#receive(rest);
    if (!this.#isHeld) this.#stream.resume();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#isOver) return;
    this.#handlers.heard();
    beginTask();
    const given = this.#give(chunk);
    endTask();
    // The stream keeps the rest, and reports the end of the connection behind it.
    if (given < chunk.length) this.#stream.unshift(chunk.subarray(given));
  }

  /** Gives `ws` what has come, until the turn is spent or the program pauses. Returns how many bytes. */
  #give(chunk: Uint8Array): number {
    let step = STEP_BYTES;
    for (let at = 0; !this.#isOver && !this.#isPaused;) {
      const before = this.#frames.frames;
      const piece = chunk.subarray(at, at + step);
      const length = this.#frames.follow(piece);
      this.#feed(piece.subarray(0, length));
      const { finding } = this.#frames;
      if (finding !== "none" && !this.#isOver) this.#handlers.found(finding);
      at += piece.length;
      if (!this.#isHeld && spentNow(TURN_BUDGET_MS)) {
        this.#hold();
        this.#rest.request();
      }
      if (at === chunk.length || this.#isHeld) return at;
      if (this.#frames.frames - before < FEW_FRAMES) step *= 4;
    }
    // What is behind a close frame or a fault is not looked at. A paused stream should have given nothing.
    return this.#isOver ? chunk.length : 0;
  }

  #hold(): void {
    this.#isHeld = true;
    this.#ws.pause();
  }

  #release(): void {
    if (!this.#isHeld || this.#isPaused) return;
    this.#isHeld = false;
    this.#ws.resume();
  }

  /** Stops reading. */
  pause(): void {
    this.#isPaused = true;
    this.#hold();
  }

  /** Reads again. */
  resume(): void {
    this.#isPaused = false;
    this.#release();
  }

  /** Discards what still comes. */
  stop(): void {
    this.#isOver = true;
  }
}
