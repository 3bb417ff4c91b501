/**
 * The life of a connection, for both transports: its states, the gets and requests in flight, heartbeats, silence
 * and the end.
 *
 * A machine does no input or output and has no clock: time is passed in, and what is to be done is a call of
 * `Effects`. Invariants, whatever comes in which order:
 *
 * - a get that was begun settles exactly once;
 * - nothing is reported before `ready`, nor after the end or after this side has begun to close;
 * - `ended` is called exactly once, after every get has settled;
 * - an id is never 0, and never one that is in flight.
 *
 * A method reports to the program as the last thing that it does. So the program may call the machine back within
 * the report. The other calls of `Effects` must not.
 *
 * @module
 */
import { Deadline, type Deadlines } from "./deadlines.ts";
import { nameOfRefusal } from "./errors.ts";
import type {
  Effects,
  Failure,
  Get,
  MachineCounts,
  MachineEnd,
  MachineSettings,
  MachineState,
} from "./machine_contract.ts";
import { CLOSE_CODE, IDEMPOTENT, TYPE } from "./wire.ts";

/** Milliseconds for which input that waits while this thread was busy may still come before a side is lost. */
const LAST_LOOK_MS = 50;

/** The state machine of one connection. */
export class Machine<Body, Request> extends Deadline {
  readonly counts: MachineCounts = {
    lateReplies: 0,
    refusedRequests: 0,
    receivedReplies: 0,
    receivedRequests: 0,
    receivedMessages: 0,
  };
  readonly #settings: MachineSettings;
  readonly #effects: Effects<Body, Request>;
  readonly #deadlines: Deadlines;
  readonly #gets = new Map<number, Get<Body>>();
  readonly #requests = new Map<number, Request>();
  #state: MachineState = "opening";
  /** The id of the latest get. */
  #id: number;
  readonly #largestId: number;
  #heard = 0;
  #sent = 0;
  /** Whether the other side has been silent too long, and only the last look is left. */
  #suspected = false;
  /** Whether the transport reads. */
  #reading = true;
  /** How it will have ended, once this side closes. */
  #ending: MachineEnd | undefined;

  /**
   * @param firstId the id before the first one
   * @param largestId the one after which ids begin again with 1
   */
  constructor(
    settings: MachineSettings,
    effects: Effects<Body, Request>,
    deadlines: Deadlines,
    firstId = 0,
    largestId = 0xFFFFFFFF,
  ) {
    super();
    this.#settings = settings;
    this.#effects = effects;
    this.#deadlines = deadlines;
    this.#id = firstId;
    this.#largestId = largestId;
  }

  get state(): MachineState {
    return this.#state;
  }

  get pendingGets(): number {
    return this.#gets.size;
  }

  get openRequests(): number {
    return this.#requests.size;
  }

  // The transport.

  /** The time for the transport and the handshake begins. */
  start(now: number): void {
    this.#deadlines.add(this, now + this.#settings.handshakeMs);
  }

  /** The transport is there. */
  opened(now: number): void {
    if (this.#state !== "opening") return;
    this.#heard = this.#sent = now;
    if (this.#settings.handshake) this.#effects.write(TYPE.HEARTBEAT, 0);
    else this.#becomeReady(now);
  }

  #becomeReady(now: number): void {
    this.#state = "ready";
    this.#watch(now);
    this.#effects.ready();
  }

  /** Something has arrived. */
  heard(now: number): void {
    this.#heard = now;
    this.#suspected = false;
  }

  /** Something has been sent. */
  sent(now: number): void {
    this.#sent = now;
  }

  /** The transport has stopped reading, so that silence means nothing; or reads again. */
  reading(reads: boolean, now: number): void {
    this.#reading = reads;
    if (reads) this.heard(now);
  }

  /**
   * A message has arrived whose header is well-formed.
   *
   * @returns what is wrong with it at this time, for `fault`
   */
  received(type: number, flags: number, id: number, body: Body): string | undefined {
    if (this.#state === "opening") return this.#greet(type, id);
    if (this.#state !== "ready") return undefined;
    switch (type) {
      case TYPE.MESSAGE:
        this.counts.receivedMessages++;
        this.#effects.message(body);
        break;
      case TYPE.REQUEST:
        return this.#request(flags, id, body);
      case TYPE.REPLY:
        this.#take(id)?.done(body);
        break;
      case TYPE.ERROR:
        this.#refused(id, body);
        break;
      case TYPE.CANCEL:
        this.#cancelled(id);
        break;
      case TYPE.CLOSE:
        this.closedByOther(id);
    }
    return undefined;
  }

  #greet(type: number, id: number): string | undefined {
    if (type === TYPE.HEARTBEAT) this.#becomeReady(this.#heard);
    else if (type === TYPE.CLOSE) {
      const why = id === CLOSE_CODE.FULL ? "it has no room for another connection" : "it closed";
      this.#effects.release();
      this.#end({ reason: "refused", text: `the other side refused: ${why}` });
    } else return "the other side did not begin with a heartbeat";
    return undefined;
  }

  #request(flags: number, id: number, body: Body): string | undefined {
    if (this.#requests.has(id)) {
      return `the other side used the id ${id} for two requests at once`;
    }
    if (this.#requests.size + this.#effects.unfinished() >= this.#settings.maximumRequests) {
      this.counts.refusedRequests++;
      this.#effects.overloaded(id);
      return undefined;
    }
    this.counts.receivedRequests++;
    const request = this.#effects.request(id, (flags & IDEMPOTENT) !== 0, body);
    this.#requests.set(id, request);
    this.#effects.requested(request);
    return undefined;
  }

  /** The get of an answer, which is in flight no more. */
  #take(id: number): Get<Body> | undefined {
    const get = this.#gets.get(id);
    if (get === undefined) {
      this.counts.lateReplies++;
      return undefined;
    }
    this.#gets.delete(id);
    this.#deadlines.remove(get);
    this.counts.receivedReplies++;
    return get;
  }

  #refused(id: number, body: Body): void {
    const get = this.#take(id);
    if (get === undefined) return;
    const { code, text } = this.#effects.refusal(body);
    const told = text === "" ? "" : `: ${text}`;
    get.fail({
      code: "ENETJS_ERR_REQUEST_REFUSED",
      outcome: "refused",
      text: `the other side refused the request with ${nameOfRefusal(code)}${told}`,
      data: code,
    });
  }

  #cancelled(id: number): void {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    this.#requests.delete(id);
    this.#effects.dropped(request);
  }

  /** The other side has closed the connection, with a code. */
  closedByOther(code: number): void {
    if (this.#state === "ended" || this.#state === "closing") return;
    this.#effects.release();
    this.#end(
      code === CLOSE_CODE.CLOSED
        ? { reason: "remote", text: "the other side closed the connection" }
        : code === CLOSE_CODE.PROTOCOL
        ? { reason: "protocol", text: "the other side found what this side sent malformed" }
        : { reason: "lost", text: `the other side ended the connection with code ${code}` },
    );
  }

  /** The transport has ended, without a word of the other side or because this side has closed. */
  broken(text: string): void {
    if (this.#state === "ended") return;
    this.#effects.abort();
    this.#end(this.#ending ?? { reason: "lost", text });
  }

  /** The other side has sent what the wire does not allow. */
  fault(text: string, now: number): void {
    this.#close({ reason: "protocol", text }, CLOSE_CODE.PROTOCOL, now);
  }

  // The program.

  /** The id for a get that is about to begin. */
  nextId(): number {
    let id = this.#id;
    do id = id === this.#largestId ? 1 : id + 1; while (this.#gets.has(id));
    return this.#id = id;
  }

  /** A get has been sent, with an id of `nextId`. */
  begin(get: Get<Body>, id: number, timeoutMs: number, now: number): void {
    get.machine = this;
    get.id = id;
    get.timeoutMs = timeoutMs;
    this.#gets.set(id, get);
    if (timeoutMs > 0) this.#deadlines.add(get, now + timeoutMs);
  }

  /** The program no longer wants the reply. */
  cancel(get: Get<Body>, cause: unknown): void {
    this.#abandon(get, {
      code: "ENETJS_ERR_CANCELLED",
      outcome: "unknown",
      text: "the request was cancelled",
      cause,
    });
  }

  /** The time of a get is over. */
  timeOut(get: Get<Body>): void {
    this.#abandon(get, {
      code: "ENETJS_ERR_REPLY_TIMEOUT",
      outcome: "unknown",
      text: `no reply within ${get.timeoutMs} ms`,
    });
  }

  #abandon(get: Get<Body>, failure: Failure): void {
    if (this.#gets.get(get.id) !== get) return;
    this.#gets.delete(get.id);
    this.#deadlines.remove(get);
    this.#effects.write(TYPE.CANCEL, get.id);
    get.fail(failure);
  }

  /**
   * A request is being answered.
   *
   * @returns whether the other side still waits for it; it may have cancelled it and used the id again
   */
  answer(id: number, request: Request): boolean {
    return this.#requests.get(id) === request && this.#requests.delete(id);
  }

  /** The program closes the connection. */
  close(now: number): void {
    const end = { reason: "local", text: "this side closed the connection" } as const;
    this.#close(end, CLOSE_CODE.CLOSED, now);
  }

  #close(end: MachineEnd, code: number, now: number): void {
    if (this.#state !== "ready" && this.#state !== "opening") return;
    this.#state = "closing";
    this.#ending = end;
    this.#settle(end.text);
    this.#deadlines.add(this, now + this.#settings.closeGraceMs);
    this.#effects.finish(code);
  }

  /** Settles every get, and drops every request. */
  #settle(text: string): number {
    const gets = [...this.#gets.values()];
    this.#gets.clear();
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const get of gets) {
      this.#deadlines.remove(get);
      get.fail({ code: "ENETJS_ERR_STALE", outcome: "unknown", text });
    }
    for (const request of requests) this.#effects.dropped(request);
    return gets.length;
  }

  #end(end: MachineEnd): void {
    this.#state = "ended";
    this.#deadlines.remove(this);
    this.#effects.ended(end, this.#settle(end.text));
  }

  // Time.

  override expire(now: number): void {
    switch (this.#state) {
      case "opening": {
        const text = `the other side did not begin within ${this.#settings.handshakeMs} ms`;
        this.#effects.abort();
        return this.#end({ reason: "handshake", text });
      }
      case "closing":
        return this.broken("");
      case "ready":
        return this.#watch(now);
    }
  }

  /** Sends a heartbeat if it is time, and sees whether the other side is still there. */
  #watch(now: number): void {
    const { heartbeatMs, lostMs } = this.#settings;
    if (now - this.#sent >= heartbeatMs) {
      this.#effects.write(TYPE.HEARTBEAT, 0);
      this.#sent = now;
    }
    const heard = now - (this.#effects.silence() ?? now - this.#heard);
    let lostAt = heard + lostMs;
    if (!this.#reading) lostAt = now + lostMs;
    else if (lostAt > now) this.#suspected = false;
    else if (this.#suspected) {
      return this.broken(`the other side was silent for ${lostMs} ms`);
    } else {
      // What has arrived while this thread was busy may not have been read yet.
      this.#suspected = true;
      lostAt = now + LAST_LOOK_MS;
    }
    this.#deadlines.add(this, Math.min(lostAt, this.#sent + heartbeatMs));
  }
}
