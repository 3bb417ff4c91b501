/**
 * A client whose handshake is done: what it sends is followed and told, what it is sent is queued, and its end is told
 * once. `ws` speaks the protocol; here are limits, order and time.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { surface } from "../../ffi/surface.ts";
import { makeInspectable } from "../internal/inspect.ts";
import { beginTask, endTask, Later, spentNow, TURN_BUDGET_MS } from "../internal/turn.ts";
import { integer, options as requireOptions, show } from "../internal/validate.ts";
import { codeOfFault, encodeFrame, type WsSocket } from "./_ws.ts";
import type {
  Message,
  SendOptions,
  SocketClient,
  SocketHandlers,
  SocketRequest,
  SocketState,
} from "./socket_contract.ts";
import { FrameFollower } from "./socket_frames.ts";
import { LINGER_MS, type Passed } from "./socket_handshake.ts";
import { prepared } from "./socket_message.ts";
import type { SocketPlan } from "./socket_options.ts";
import { Outbox } from "./socket_outbox.ts";

/** How long a client that this side closes may take to read what is queued and to answer. */
export const CLOSE_TIMEOUT_MS = 10_000;

/** Bytes that are given out between two looks at the clock; more where there are few frames in them. */
const STEP_BYTES = 1024;
const FEW_FRAMES = 16;

const PING = 9;
const PONG = 10;

/** Longest reason of a close frame, in bytes. */
const REASON_LIMIT = 123;

/** The counters of a server that its clients change. */
export interface ClientCounters {
  received: number;
  receivedBytes: number;
  sent: number;
  sentBytes: number;
  dropped: number;
  replaced: number;
  closedSlow: number;
  readonly faults: Record<number, number>;
  timedOut: number;
}

/** What a client needs of its server. */
export interface ClientOwner {
  readonly plan: SocketPlan;
  readonly handlers: SocketHandlers;
  readonly counters: ClientCounters;
  /** The client is no longer open. */
  closing(client: Client): void;
  /** The connection has ended; the program has been told. */
  ended(client: Client): void;
}

/** A client; what is not of {@linkcode SocketClient} is for its server. */
export class Client implements SocketClient {
  readonly id: number;
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly request: SocketRequest;
  readonly protocol: string;
  /** The first line of its request, for the log. */
  readonly requestLine: string;
  /** When it connected. */
  readonly since: number;
  tag: unknown = undefined;
  readonly #owner: ClientOwner;
  readonly #ws: WsSocket;
  readonly #stream: Socket;
  readonly #feed: (chunk: Uint8Array) => void;
  readonly #outbox: Outbox;
  readonly #frames: FrameFollower;
  readonly #rest: Later = new Later(() => this.#release());
  #state: SocketState = "open";
  /** Nothing that still comes is looked at. */
  #isDeaf = false;
  #isPaused = false;
  /** The stream is paused: by the program, or because the turn is spent. */
  #isHeld = false;
  #isDrainDue = false;
  #dropped = 0;
  #sentBytes = 0;
  /** The close frame that goes out behind what is queued. */
  #farewell: { code: number; reason: string } | undefined;
  /** The code that this side has sent, or 1006. */
  #ownCode = 1006;
  #ownReason = "";
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #heardAt = performance.now();
  #messageAt = this.#heardAt;
  #nextPingAt: number;
  #pings = 0;
  #pingSentAt = 0;
  #unanswered = 0;
  #roundTripMs: number | undefined;

  constructor(id: number, ws: WsSocket, passed: Passed, owner: ClientOwner) {
    const { stream, localAddress, request, requestLine, protocol, since } = passed;
    this.id = id;
    this.address = request.address;
    this.port = request.port;
    this.localAddress = localAddress;
    this.request = request;
    this.requestLine = requestLine;
    this.protocol = protocol;
    this.since = since;
    this.#owner = owner;
    this.#ws = ws;
    this.#stream = stream;
    const { maximumFrameSize, maximumMessageSize, pingIntervalMs } = owner.plan;
    this.#nextPingAt = this.#heardAt + (pingIntervalMs || Infinity);
    this.#frames = new FrameFollower(maximumFrameSize, maximumMessageSize);
    // `ws` gets the bytes that have been followed, and no others.
    const feed = stream.listeners("data").at(-1) as (chunk: Uint8Array) => void;
    stream.removeListener("data", feed);
    this.#feed = feed.bind(stream);
    this.#outbox = new Outbox(stream, () => this.#flushed());
    ws.on("message", (data, isBinary) => this.#message(data, !isBinary));
    ws.on("ping", (data) => {
      // Nothing comes behind a close frame.
      if (this.#state === "open") this.#outbox.pushPong(encodeFrame(PONG, data));
    });
    ws.on("pong", (data) => this.#pong(data));
    ws.on("error", (error) => this.#failed(codeOfFault(error)));
    ws.on("close", (code, reason) => this.#closed(code, reason));
    Object.preventExtensions(this); // a misspelt property is a TypeError
  }

  get state(): SocketState {
    return this.#state;
  }

  get queuedBytes(): number {
    return this.#state === "closed" ? 0 : this.#outbox.bytes;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Payload queued for it, for the log. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  // Sending.

  send(message: Message, options?: SendOptions): boolean {
    const { frame, byteLength } = prepared(message);
    let key: number | undefined;
    if (options !== undefined) {
      requireOptions(options, "options", ["replaces"]);
      key = options.replaces;
      if (key !== undefined && typeof key !== "number") {
        throw new TypeError(`replaces must be a number, not ${show(key)}`);
      }
    }
    if (this.#state !== "open") return false;
    const { counters, plan } = this.#owner;
    if (plan.slow !== "wait" && this.#outbox.bytes >= plan.queueLimitBytes) {
      if (key === undefined || !this.#outbox.has(key)) return this.#refuse();
    }
    if (this.#outbox.push(frame, key)) counters.replaced++;
    counters.sent++;
    counters.sentBytes += byteLength;
    this.#sentBytes += byteLength;
    if (plan.slow !== "wait" || this.#outbox.bytes < plan.queueLimitBytes) return true;
    this.#isDrainDue = true;
    return false;
  }

  /** A message for a client whose queue is full. */
  #refuse(): false {
    const { counters, plan } = this.#owner;
    if (plan.slow === "drop") {
      this.#isDrainDue = true;
      this.#dropped++;
      counters.dropped++;
      return false;
    }
    counters.closedSlow++;
    this.#outbox.clear();
    this.close(1008, "too slow");
    this.#linger(LINGER_MS);
    return false;
  }

  #flushed(): void {
    if (this.#farewell !== undefined && this.#outbox.isEmpty) {
      const { code, reason } = this.#farewell;
      this.#farewell = undefined;
      this.#ws.close(code, reason);
    }
    if (!this.#isDrainDue || this.#state !== "open") return;
    if (this.#outbox.bytes > this.#owner.plan.queueLimitBytes / 2) return;
    this.#isDrainDue = false;
    this.#tell(() => this.#owner.handlers.drain?.(this));
  }

  // Receiving.

  /** Begins to read, with what came behind the request. */
  start(rest: Uint8Array): void {
    this.#tell(() => this.#owner.handlers.open?.(this));
    this.#stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    if (rest.length > 0) this.#receive(rest);
    if (!this.#isHeld) this.#stream.resume();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#isDeaf || this.#state === "closed") return;
    this.#heardAt = performance.now();
    this.#unanswered = 0;
    beginTask();
    const given = this.#give(chunk);
    endTask();
    // The stream keeps the rest, and tells the end of the connection behind it.
    if (given < chunk.length) this.#stream.unshift(chunk.subarray(given));
  }

  /** Gives `ws` what has come, until the turn is spent or the program pauses. Returns how many bytes. */
  #give(chunk: Uint8Array): number {
    let step = STEP_BYTES;
    for (let at = 0; !this.#isDeaf && this.#state !== "closed" && !this.#isPaused;) {
      const before = this.#frames.frames;
      const piece = chunk.subarray(at, at + step);
      const length = this.#frames.follow(piece);
      this.#feed(piece.subarray(0, length));
      this.#act();
      at += piece.length;
      if (!this.#isHeld && spentNow(TURN_BUDGET_MS)) {
        this.#hold();
        this.#rest.request();
      }
      if (at === chunk.length || this.#isHeld) return at;
      if (this.#frames.frames - before < FEW_FRAMES) step *= 4;
    }
    // What is behind a close frame or a fault is not looked at. A paused stream should have given nothing.
    return this.#isPaused && !this.#isDeaf && this.#state !== "closed" ? 0 : chunk.length;
  }

  /** Acts on what the last frame was. */
  #act(): void {
    const { finding } = this.#frames;
    if (finding === "none" || this.#isDeaf) return;
    if (finding === "close") this.#conclude();
    else if (finding === "too large") this.#fault(1009, "the frame is too large");
    else this.#fault(1008, "too much between the fragments");
  }

  #hold(): void {
    this.#isHeld = true;
    this.#ws.pause();
  }

  #release(): void {
    if (!this.#isHeld || this.#isPaused || this.#state === "closed") return;
    this.#isHeld = false;
    this.#ws.resume();
  }

  #message(data: Uint8Array<ArrayBuffer>, isText: boolean): void {
    this.#messageAt = this.#heardAt;
    if (this.#state !== "open") return;
    const { counters, handlers } = this.#owner;
    counters.received++;
    counters.receivedBytes += data.length;
    const { message } = handlers;
    if (message === undefined) return;
    // No `Buffer`, whose `slice` is a view of the same memory.
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
    try {
      message.call(handlers, this, bytes, isText);
    } catch (error) {
      this.#broken(error);
    }
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#broken(error);
    }
  }

  /** A handler has thrown. */
  #broken(error: unknown): void {
    surface(error);
    this.close(1011, "the server failed");
  }

  pause(): void {
    if (this.#isPaused || this.#state === "closed") return;
    this.#isPaused = true;
    this.#hold();
  }

  resume(): void {
    if (!this.#isPaused || this.#state === "closed") return;
    this.#isPaused = false;
    this.#heardAt = this.#messageAt = performance.now();
    this.#unanswered = 0;
    this.#release();
  }

  // Time.

  #pong(data: Uint8Array): void {
    if (data.length !== 4 || Buffer.from(data).readUInt32BE() !== this.#pings) return;
    this.#roundTripMs = this.#heardAt - this.#pingSentAt;
  }

  /** Looks at the time: pings, and ends a client that is silent for too long. */
  tick(now: number): void {
    if (this.#state !== "open") return;
    const { plan, counters } = this.#owner;
    if (plan.idleTimeoutMs > 0 && !this.#isPaused && now - this.#messageAt > plan.idleTimeoutMs) {
      counters.timedOut++;
      return this.close(1001, "idle");
    }
    if (now < this.#nextPingAt) return;
    this.#nextPingAt = now + plan.pingIntervalMs;
    // While the program does not read, it can't hear the answer.
    if (this.#isPaused) return;
    if (this.#unanswered === 2) {
      counters.timedOut++;
      return this.terminate();
    }
    this.#unanswered++;
    this.#pingSentAt = now;
    this.#pings = (this.#pings + 1) >>> 0;
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(this.#pings);
    this.#outbox.pushPong(encodeFrame(PING, payload));
  }

  // The end.

  close(code = 1000, reason = ""): void {
    requireCloseCode(code);
    if (typeof reason !== "string") {
      throw new TypeError(`reason must be a string, not ${show(reason)}`);
    }
    const size = Buffer.byteLength(reason);
    if (size > REASON_LIMIT) {
      throw new RangeError(`reason must be at most ${REASON_LIMIT} bytes of UTF-8, not ${size}`);
    }
    if (this.#state !== "open") return;
    this.#leave();
    this.#ownCode = code;
    this.#ownReason = reason;
    this.#farewell = { code, reason };
    this.#linger(CLOSE_TIMEOUT_MS);
    // The answer has to be read.
    if (this.#isPaused) this.resume();
    this.#outbox.flushSoon();
  }

  terminate(): void {
    if (this.#state === "closed") return;
    this.#leave();
    this.#ownCode = 1006;
    this.#ownReason = "";
    this.#isDeaf = true;
    this.#outbox.clear();
    this.#stream.destroy();
  }

  /** Ends a connection that takes too long to close; what this side has told stands. */
  cut(): void {
    this.#stream.destroy();
  }

  /** The client has sent a close frame, which `ws` has answered. */
  #conclude(): void {
    this.#isDeaf = true;
    this.#farewell = undefined;
    this.#leave();
  }

  /** Closes for a fault that `ws` does not look for. */
  #fault(code: number, reason: string): void {
    this.#ws.close(code, reason);
    this.#failed(code, reason);
    this.#stream.end();
  }

  /** A close frame is on its way for a fault of the client. */
  #failed(code: number, reason = ""): void {
    if (this.#isDeaf) return;
    this.#isDeaf = true;
    this.#farewell = undefined;
    const { faults } = this.#owner.counters;
    faults[code] = (faults[code] ?? 0) + 1;
    this.#ownCode = code;
    this.#ownReason = reason;
    this.#leave();
    this.#linger(LINGER_MS);
  }

  #leave(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#owner.closing(this);
  }

  /** Ends the connection after a time, whatever the client does. */
  #linger(ms: number): void {
    clearTimeout(this.#lingering);
    this.#lingering = setTimeout(() => this.#stream.destroy(), ms);
  }

  #closed(code: number, reason: Uint8Array): void {
    clearTimeout(this.#lingering);
    this.#leave();
    this.#state = "closed";
    this.#outbox.clear();
    const isTheirs = code !== 1006;
    const [told, why] = isTheirs
      ? [code, Buffer.from(reason).toString()]
      : [this.#ownCode, this.#ownReason];
    try {
      this.#owner.handlers.close?.(this, told, why);
    } catch (error) {
      surface(error);
    }
    this.#owner.ended(this);
  }

  static {
    makeInspectable(this.prototype, "SocketClient", ({ id, address, state }) => {
      return `${id}${address && `, ${address}`}, ${state}`;
    });
  }
}

/** Refuses codes that may not be sent. */
export function requireCloseCode(code: unknown): void {
  const number = integer(code, "code", 1000, 4999);
  const isAllowed = number <= 1003 || number >= 1007 && number <= 1014 || number >= 3000;
  if (!isAllowed) {
    throw new RangeError(
      `code must be from 1000 to 1003, from 1007 to 1014, or from 3000 to 4999, not ${number}`,
    );
  }
}
