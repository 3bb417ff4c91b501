/**
 * A connection as the library sees it: it puts the machine, the transport and the program's consumer together.
 * Programs get it as `MessengerConnection`.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { decoder } from "../../ffi/utf8.ts";
import { ENetError } from "../errors.ts";
import { type Packet, PacketFlag } from "../packet.ts";
import { formatAddress } from "./address.ts";
import { deadlines } from "./clock.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Consumer, type ConsumerOwner } from "./consumer.ts";
import { encode, encodeError, encodeHeader } from "./encode.ts";
import { endOf, errorWith, failureOf } from "./ends.ts";
import { RefusalCode } from "./errors.ts";
import { Machine } from "./machine.ts";
import type { Effects, Failure, MachineEnd } from "./machine_contract.ts";
import { flagsOf, type LinkPlan, planGet } from "./options.ts";
import { ReceivedPayload } from "./payload.ts";
import { getError, PendingGet } from "./pending_get.ts";
import { type Answerer, ReceivedRequest, requests } from "./request.ts";
import type { Transport, TransportSink } from "./transport.ts";
import type {
  Connection,
  ConnectionEnd,
  ConnectionHandlers,
  ConnectionStats,
  GetOptions,
  Payload,
  SendOptions,
} from "./types.ts";
import { BODY_MASK, faultOf, HEADER_BYTES, IDEMPOTENT, TYPE, WIRE_VERSION } from "./wire.ts";

/** How many times as much may wait while a get is pending: its reply could be behind what waits. */
const PENDING_FACTOR = 4;

/**
 * Requests and replies that leave together within a turn: two datagrams of small ones. The other side works on
 * them while this side goes on with its turn.
 */
const BATCH = 32;

/** What a link tells its maker: a hub, or an attempt to connect. */
export interface LinkOwner {
  /** It is ready; called before anything else of it is told. */
  ready(link: Link): void;
  /** It has ended without having been ready. */
  failed(link: Link, error: ENetError): void;
  /** It has ended, and the program has been told. */
  ended(link: Link): void;
}

/** One connection. */
export class Link
  implements Effects<ReceivedPayload, ReceivedRequest>, TransportSink, Answerer, ConsumerOwner {
  readonly plan: LinkPlan;
  readonly machine: Machine<ReceivedPayload, ReceivedRequest>;
  transport!: Transport;
  connection!: Connection;
  end: ConnectionEnd | undefined;
  readonly closed: PromiseWithResolvers<ConnectionEnd> = Promise.withResolvers();
  readonly #dispatcher: Dispatcher;
  readonly #owner: LinkOwner;
  /** Whether heartbeats and closes are messages. */
  readonly #handshake: boolean;
  readonly consumer: Consumer;
  #wasReady = false;
  #paused = false;
  /** The queue was above its mark when something was written. */
  #isFull = false;
  #cause: unknown;
  #sentMessages = 0;
  #sentRequests = 0;
  #sentReplies = 0;
  /** Requests and replies written. */
  #awaited = 0;
  /** More answers would exceed what may be queued: the connection is ending. */
  #isOverflowing = false;

  /**
   * @param handshake whether heartbeats and closes are messages, and the connection is ready only with the first
   * @param firstId the id before that of the first request
   */
  constructor(
    plan: LinkPlan,
    handshake: boolean,
    handlers: ConnectionHandlers,
    dispatcher: Dispatcher,
    owner: LinkOwner,
    firstId = 0,
  ) {
    this.plan = plan;
    this.#dispatcher = dispatcher;
    this.#owner = owner;
    this.#handshake = handshake;
    this.consumer = new Consumer(this, handlers, plan.maximumWaitingData);
    const settings = {
      ...plan,
      handshake,
      heartbeatMs: handshake ? plan.heartbeatMs : Infinity,
    };
    this.machine = new Machine(settings, this, deadlines, firstId);
  }

  /** `Connection udp://127.0.0.1:7000`, for messages. */
  get name(): string {
    return `Connection ${formatAddress(this.transport.address)}`;
  }

  // The transport.

  opened(): void {
    this.machine.opened(performance.now());
  }

  heard(): void {
    this.machine.heard(performance.now());
  }

  sent(): void {
    this.machine.sent(performance.now());
  }

  frame(
    buffer: Uint8Array<ArrayBuffer>,
    start: number,
    end: number,
    isReliable: boolean,
    packet?: Packet,
  ): void {
    const body = start + HEADER_BYTES;
    if (end < body) return this.fault(`it has ${end - start} bytes, fewer than a header`);
    if (buffer[start] !== WIRE_VERSION || buffer[start + 3] !== 0) {
      return this.fault(`it has the version ${buffer[start]} and the byte ${buffer[start + 3]}`);
    }
    const type = buffer[start + 1];
    const flags = buffer[start + 2];
    const id = (buffer[start + 4] << 24 | buffer[start + 5] << 16 | buffer[start + 6] << 8 |
      buffer[start + 7]) >>> 0;
    const fault = faultOf(type, flags, id, end - body, this.plan.maximumMessageSize);
    if (fault !== undefined) return this.fault(fault);
    if (!this.#handshake && type >= TYPE.HEARTBEAT) {
      return this.fault(`it has the type ${type}, which ENet stands in for`);
    }
    if (!isReliable && type !== TYPE.MESSAGE) {
      return this.fault(`it has the type ${type} on the channel of unreliable messages`);
    }
    if (type === TYPE.REQUEST && this.#isFull && this.#overflows()) return;
    const { codec } = this.plan;
    const payload = new ReceivedPayload(buffer, body, end, flags & BODY_MASK, codec, packet);
    const wrong = this.machine.received(type, flags, id, payload);
    if (wrong !== undefined) this.machine.fault(wrong, performance.now());
  }

  fault(text: string): void {
    this.machine.fault(`the other side sent a malformed message: ${text}`, performance.now());
  }

  undecodable(error: unknown, text: string): void {
    this.#cause ??= error;
    this.fault(`its value can't be decoded: ${text}`);
  }

  closedByOther(code: number): void {
    this.machine.closedByOther(code);
  }

  broken(text: string, cause?: unknown): void {
    this.#cause ??= cause;
    this.machine.broken(text);
  }

  // What the machine does.

  write(type: number, id: number): void {
    this.transport.write(encodeHeader(type, id), PacketFlag.RELIABLE);
  }

  finish(code: number): void {
    this.consumer.drop();
    this.transport.finish(code);
  }

  release(): void {
    this.transport.release();
  }

  abort(): void {
    this.transport.abort();
  }

  silence(): number | undefined {
    return this.transport.silence();
  }

  refusal(body: ReceivedPayload): { code: number; text: string } {
    const { view } = body;
    const code = (view[0] << 24 | view[1] << 16 | view[2] << 8 | view[3]) >>> 0;
    return { code, text: decoder.decode(view.subarray(4)) };
  }

  ready(): void {
    this.#dispatcher.run(() => {
      this.#wasReady = true;
      this.#owner.ready(this);
    });
  }

  message(body: ReceivedPayload): void {
    if (this.#dispatcher.idle) return this.consumer.takeMessage(body);
    body.keep();
    this.#dispatcher.run(() => this.consumer.takeMessage(body));
  }

  request(id: number, idempotent: boolean, body: ReceivedPayload): ReceivedRequest {
    return new ReceivedRequest(this, id, idempotent, body);
  }

  overloaded(id: number): void {
    this.#writeError(
      id,
      RefusalCode.BUSY,
      `${this.plan.maximumRequests} requests are open already`,
    );
  }

  requested(request: ReceivedRequest): void {
    if (this.#dispatcher.idle) return this.consumer.takeRequest(request);
    request.data.keep();
    this.#dispatcher.run(() => this.consumer.takeRequest(request));
  }

  dropped(request: ReceivedRequest): void {
    this.consumer.dropped(request);
  }

  unfinished(): number {
    return this.consumer.unfinished;
  }

  ended(end: MachineEnd, settled: number): void {
    const tell = () => this.#tellEnd(end);
    if (settled > 0) this.#dispatcher.defer(tell);
    else this.#dispatcher.run(tell);
  }

  #tellEnd(end: MachineEnd): void {
    if (this.consumer.isHandingOver) return this.#dispatcher.defer(() => this.#tellEnd(end));
    if (!this.#wasReady) {
      const address = formatAddress(this.transport.address);
      return this.#owner.failed(this, failureOf(end, address, this.#cause));
    }
    this.end = endOf(end, this.name, this.#cause);
    this.closed.resolve(this.end);
    this.consumer.tellEnd(this.end);
    this.#owner.ended(this);
  }

  /** Stops reading while too much waits, or goes on. */
  adjust(): void {
    const factor = this.machine.pendingGets > 0 ? PENDING_FACTOR : 1;
    const isFull = this.consumer.isIterating &&
      this.consumer.waitingBytes >= this.plan.maximumWaitingData * factor;
    if (isFull === this.#paused || this.machine.state !== "ready") return;
    this.#paused = isFull;
    this.machine.reading(!isFull, performance.now());
    this.transport.pause(isFull);
  }

  // The program.

  send(data: unknown, options?: SendOptions): boolean {
    const flags = options === undefined ? PacketFlag.RELIABLE : flagsOf(options);
    if (this.machine.state !== "ready") return false;
    const { codec, maximumMessageSize } = this.plan;
    const message = encode(TYPE.MESSAGE, 0, 0, data, codec, maximumMessageSize);
    this.#sentMessages++;
    return this.transport.write(message, flags);
  }

  get(data: unknown, options?: GetOptions): Promise<Payload> {
    try {
      return this.#get(data, options);
    } catch (error) {
      if (error instanceof ENetError) {
        const { code, message } = error;
        return this.#neverSent({ code, outcome: "never-sent", text: message, cause: error });
      }
      return Promise.reject(error);
    }
  }

  #neverSent(failure: Failure): Promise<never> {
    return Promise.reject(getError(this.name, failure, false));
  }

  #get(data: unknown, options: GetOptions | undefined): Promise<Payload> {
    const { codec, getTimeoutMs, maximumMessageSize } = this.plan;
    const { machine } = this;
    let timeoutMs = getTimeoutMs;
    let idempotent = false;
    let signal: AbortSignal | undefined;
    if (options !== undefined) ({ timeoutMs, signal, idempotent } = planGet(options, timeoutMs));
    const outcome = "never-sent";
    if (machine.state !== "ready") {
      const text = "the connection has ended";
      return this.#neverSent({ code: "ENETJS_ERR_STALE", outcome, text });
    }
    if (signal?.aborted) {
      const text = "the request was cancelled";
      return this.#neverSent({ code: "ENETJS_ERR_CANCELLED", outcome, text, cause: signal.reason });
    }
    if (this.#isFull && this.#overflowsNow()) {
      const text =
        `${this.transport.queuedBytes} bytes wait for the other side: await drain() before asking for more`;
      return this.#neverSent({ code: "ENETJS_ERR_LIMIT", outcome, text });
    }
    const id = machine.nextId();
    const flags = idempotent ? IDEMPOTENT : 0;
    const message = encode(TYPE.REQUEST, flags, id, data, codec, maximumMessageSize);
    this.#writeAwaited(message);
    this.#sentRequests++;
    const get = new PendingGet(this, idempotent);
    machine.begin(get, id, timeoutMs, performance.now());
    if (signal !== undefined) get.watch(signal);
    if (this.#paused) this.adjust();
    return get.promise;
  }

  reply(request: ReceivedRequest, data: unknown): boolean {
    const { codec, maximumMessageSize } = this.plan;
    const id = requests.id(request);
    const message = encode(TYPE.REPLY, 0, id, data, codec, maximumMessageSize);
    return this.#answered(id, request) && this.#writeAnswer(message);
  }

  /** Sends something for which the other side waits. */
  #writeAwaited(message: Uint8Array): boolean {
    const hasRoom = this.transport.write(message, PacketFlag.RELIABLE);
    if (!hasRoom) this.#isFull = true;
    if (++this.#awaited % BATCH === 0) this.transport.flush();
    return hasRoom;
  }

  refuse(request: ReceivedRequest, code: number, text: string): boolean {
    const id = requests.id(request);
    return this.#answered(id, request) && this.#writeError(id, code, text);
  }

  #writeError(id: number, code: number, text: string): boolean {
    return this.#writeAnswer(encodeError(TYPE.ERROR, id, code, text));
  }

  /** Sends an answer, unless too much waits for a side that does not read. */
  #writeAnswer(message: Uint8Array): boolean {
    if (this.#isOverflowing) return false;
    // A look at the queue takes longer over udp than a small answer does.
    const queuedBytes = this.#isFull ? this.transport.queuedBytes : 0;
    if (queuedBytes <= this.plan.maximumQueuedBytes) return this.#writeAwaited(message);
    this.#isOverflowing = true;
    // In another turn, because the program is in a call.
    setImmediate(() => this.#overflow(queuedBytes));
    return false;
  }

  /** Ends a connection whose other side asks and asks, and does not read the answers. */
  #overflows(): boolean {
    if (!this.#overflowsNow()) return false;
    this.#overflow(this.transport.queuedBytes);
    return true;
  }

  /** Whether too much is queued now. Also notes whether a look at the queue can be spared for a while. */
  #overflowsNow(): boolean {
    const { queuedBytes } = this.transport;
    this.#isFull = queuedBytes > this.plan.highWaterMark;
    return queuedBytes > this.plan.maximumQueuedBytes;
  }

  #overflow(queuedBytes: number): void {
    this.broken(`the other side does not read: ${queuedBytes} bytes wait for it`);
  }

  #answered(id: number, request: ReceivedRequest): boolean {
    if (!this.machine.answer(id, request)) return false;
    this.#sentReplies++;
    return true;
  }

  drain(): Promise<void> {
    if (this.machine.state === "ready") return this.transport.drain();
    const message = `${this.name}: it has ended`;
    return Promise.reject(errorWith("ENETJS_ERR_STALE", message, this.#cause));
  }

  close(): Promise<ConnectionEnd> {
    this.consumer.close();
    this.machine.close(performance.now());
    return this.closed.promise;
  }

  get stats(): ConnectionStats {
    const { counts, pendingGets, openRequests } = this.machine;
    return {
      ...counts,
      sentMessages: this.#sentMessages,
      sentRequests: this.#sentRequests,
      sentReplies: this.#sentReplies,
      refusedRequests: counts.refusedRequests + this.consumer.refusedRequests,
      droppedMessages: this.consumer.droppedMessages,
      pendingGets,
      openRequests,
      queuedBytes: this.transport.queuedBytes,
      waitingBytes: this.consumer.waitingBytes,
    };
  }
}
