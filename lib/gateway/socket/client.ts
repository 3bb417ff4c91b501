/**
 * A client whose handshake is done: its messages are checked and handed on, those for it are queued, and its end is
 * reported once. `ws` speaks the protocol; here are limits, order and time.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { surface } from "../../../ffi/surface.ts";
import { makeInspectable } from "../../internal/inspect.ts";
import { options as requireOptions, show } from "../../internal/validate.ts";
import { codeOfFault, encodeFrame, type WsSocket } from "./_ws.ts";
import { requireClose } from "./close.ts";
import type {
  Message,
  SendOptions,
  SocketClient,
  SocketHandlers,
  SocketRequest,
  SocketState,
} from "./contract.ts";
import { type Finding, FrameFollower } from "./frames.ts";
import { LINGER_MS, type Passed } from "./handshake.ts";
import { prepared } from "./message.ts";
import type { SocketPlan } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { Pulse } from "./pulse.ts";
import { SocketReader } from "./reader.ts";

/** How long a client that this side closes may take to read what is queued and to answer. */
export const CLOSE_TIMEOUT_MS = 10_000;

const PING = 9;
const PONG = 10;

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
  /** The connection has ended, and `close` has been called. */
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
  readonly #reader: SocketReader;
  readonly #outbox: Outbox;
  readonly #pulse: Pulse;
  #state: SocketState = "open";
  #isDrainDue = false;
  #dropped = 0;
  #sentBytes = 0;
  /** The close frame that goes out behind what is queued. */
  #pendingClose: { code: number; reason: string } | undefined;
  /** The code that this side has sent, or 1006. */
  #ownCode = 1006;
  #ownReason = "";
  #lingering: ReturnType<typeof setTimeout> | undefined;

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
    const { maximumFrameSize, maximumMessageSize } = owner.plan;
    const frames = new FrameFollower(maximumFrameSize, maximumMessageSize);
    const pulse = this.#pulse = new Pulse(owner.plan);
    this.#reader = new SocketReader(stream, ws, frames, {
      heard: () => pulse.heard(),
      found: (finding) => this.#found(finding),
    });
    this.#outbox = new Outbox(stream, () => this.#flushed());
    ws.on("message", (data, isBinary) => this.#message(data, !isBinary));
    ws.on("ping", (data) => {
      // Nothing comes behind a close frame.
      if (this.#state === "open") this.#outbox.pushPong(encodeFrame(PONG, data));
    });
    ws.on("pong", (data) => pulse.pong(data));
    ws.on("error", (error) => this.#failed(codeOfFault(error)));
    ws.on("close", (code, reason) => this.#closed(code, reason));
    stream.on("end", () => this.#halfClosed());
    Object.preventExtensions(this); // a misspelt property is a TypeError
  }

  get state(): SocketState {
    return this.#state;
  }

  get queuedBytes(): number {
    return this.#state === "closed" ? 0 : this.#outbox.bytes;
  }

  get roundTripMs(): number | undefined {
    return this.#pulse.roundTripMs;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get isPaused(): boolean {
    return this.#reader.isPaused;
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
    if (this.#pendingClose !== undefined && this.#outbox.isEmpty) {
      const { code, reason } = this.#pendingClose;
      this.#pendingClose = undefined;
      this.#ws.close(code, reason);
    }
    if (!this.#isDrainDue || this.#state !== "open") return;
    if (this.#outbox.bytes > this.#owner.plan.queueLimitBytes / 2) return;
    this.#isDrainDue = false;
    this.#tell(() => this.#owner.handlers.drain?.(this));
  }

  // Receiving.

  /** Is open, and begins to read, with what came behind the request. */
  start(rest: Uint8Array): void {
    this.#tell(() => this.#owner.handlers.open?.(this));
    this.#reader.start(rest);
  }

  /** Acts on what the last frame was. */
  #found(finding: Exclude<Finding, "none">): void {
    if (finding === "close") this.#conclude();
    else if (finding === "too large") this.#fault(1009, "the frame is too large");
    else this.#fault(1008, "too much between the fragments");
  }

  #message(data: Uint8Array<ArrayBuffer>, isText: boolean): void {
    this.#pulse.message();
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
    if (!this.isPaused && this.#state !== "closed") this.#reader.pause();
  }

  resume(): void {
    if (!this.isPaused || this.#state === "closed") return;
    this.#pulse.restart();
    this.#reader.resume();
  }

  /** Looks at the time: pings, and ends a client that is silent for too long. */
  tick(now: number): void {
    if (this.#state !== "open") return;
    const due = this.#pulse.look(now, this.isPaused);
    if (due === "nothing") return;
    if (due === "ping") return this.#outbox.pushPong(encodeFrame(PING, this.#pulse.ping(now)));
    this.#owner.counters.timedOut++;
    if (due === "idle") this.close(1001, "idle");
    else this.terminate();
  }

  // The end.

  close(code = 1000, reason = ""): void {
    requireClose(code, reason);
    if (this.#state !== "open") return;
    this.#leave();
    this.#ownCode = code;
    this.#ownReason = reason;
    this.#pendingClose = { code, reason };
    this.#linger(CLOSE_TIMEOUT_MS);
    // The answer has to be read.
    this.resume();
    this.#outbox.flushSoon();
  }

  terminate(): void {
    if (this.#state === "closed") return;
    this.#leave();
    this.#ownCode = 1006;
    this.#ownReason = "";
    this.#reader.stop();
    this.#outbox.clear();
    this.#stream.destroy();
  }

  /** Ends a connection that takes too long to close; the code that this side has sent stands. */
  cut(): void {
    this.#stream.destroy();
  }

  /** The client sends nothing more, without a close frame. It may take what is queued, in the time of a close. */
  #halfClosed(): void {
    if (this.#state !== "open") return;
    this.#leave();
    this.#linger(CLOSE_TIMEOUT_MS);
  }

  /** The client has sent a close frame, which `ws` has answered. */
  #conclude(): void {
    this.#reader.stop();
    this.#pendingClose = undefined;
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
    if (this.#reader.isOver) return;
    this.#reader.stop();
    this.#pendingClose = undefined;
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
    this.#reader.stop();
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
