/**
 * A machine with nothing around it: a recorder takes the place of transport and program, and checks the invariants
 * of `machine.ts` at every step.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Deadlines } from "../../../lib/messaging/deadlines.ts";
import { Machine } from "../../../lib/messaging/machine.ts";
import {
  type Effects,
  type Failure,
  Get,
  type MachineEnd,
  type MachineSettings,
} from "../../../lib/messaging/machine_contract.ts";
import { CLOSE_CODE, TYPE } from "../../../lib/messaging/wire.ts";

/** Times and limits of the model: short, so that every one of them matters. */
export const SETTINGS: MachineSettings = {
  handshake: true,
  handshakeMs: 100,
  heartbeatMs: 40,
  lostMs: 120,
  closeGraceMs: 50,
  maximumRequests: 2,
};

class ModelGet extends Get<number> {
  outcome: string | undefined;
  readonly #model: Model;

  constructor(model: Model) {
    super();
    this.#model = model;
  }

  override done(body: number): void {
    this.#settle(`reply ${body}`);
  }

  override fail({ code, outcome }: Failure): void {
    this.#settle(`${code} ${outcome}`);
  }

  #settle(outcome: string): void {
    assert.equal(this.outcome, undefined, "a get settles once");
    assert.ok(this.#model.end === undefined, "a get settles before the end");
    this.outcome = outcome;
  }
}

/** A request that the model's program has. */
interface ModelRequest {
  readonly id: number;
  isDropped: boolean;
}

/** One machine and what has become of it. */
export class Model implements Effects<number, ModelRequest> {
  now = 1000;
  readonly deadlines: Deadlines;
  readonly machine: Machine<number, ModelRequest>;
  readonly gets: ModelGet[] = [];
  readonly requests: ModelRequest[] = [];
  /** Ids of gets in flight, as the other side sees them. */
  readonly inFlight: Set<number> = new Set();
  isReady = false;
  hasClosed = false;
  end: MachineEnd | undefined;
  transport: "open" | "finishing" | "gone" = "open";
  readonly written: number[] = [];
  /** What a program that answers does within the report of a message or request. */
  onReport: () => void = () => {};

  constructor(settings: Partial<MachineSettings> = {}, firstId = 0, largestId?: number) {
    this.deadlines = new Deadlines(this.now, () => {});
    const all = { ...SETTINGS, ...settings };
    this.machine = new Machine(all, this, this.deadlines, firstId, largestId);
    this.machine.start(this.now);
  }

  // Effects.

  write(type: number, id: number): void {
    assert.notEqual(this.transport, "gone", "nothing is written to a transport that is gone");
    assert.notEqual(this.transport, "finishing", "nothing is written behind the close");
    this.written.push(type);
    if (type === TYPE.CANCEL) this.inFlight.delete(id);
  }

  unfinished(): number {
    return 0;
  }

  overloaded(_id: number): void {
    this.#requireReports();
  }

  ready(): void {
    assert.ok(!this.isReady && this.end === undefined && !this.hasClosed, "ready once and first");
    this.isReady = true;
  }

  message(): void {
    this.#requireReports();
    this.onReport();
  }

  request(id: number): ModelRequest {
    return { id, isDropped: false };
  }

  requested(request: ModelRequest): void {
    this.#requireReports();
    this.requests.push(request);
    this.onReport();
  }

  dropped(request: ModelRequest): void {
    assert.ok(!request.isDropped, "a request is dropped once");
    request.isDropped = true;
  }

  refusal(body: number): { code: number; text: string } {
    return { code: body, text: "" };
  }

  ended(end: MachineEnd): void {
    assert.equal(this.end, undefined, "one end");
    for (const get of this.gets) assert.ok(get.outcome !== undefined, "gets settle before the end");
    assert.ok(this.transport === "gone", "the transport goes first");
    const isEarly = end.reason === "refused" || end.reason === "handshake";
    assert.ok(!(isEarly && this.isReady), "these ends are of attempts");
    if (this.hasClosed) assert.equal(end.reason, "local");
    this.end = end;
  }

  finish(code: number): void {
    assert.equal(this.transport, "open");
    assert.ok(code === CLOSE_CODE.CLOSED || code === CLOSE_CODE.PROTOCOL);
    this.transport = "finishing";
  }

  release(): void {
    assert.notEqual(this.transport, "gone");
    this.transport = "gone";
  }

  abort(): void {
    assert.notEqual(this.transport, "gone");
    this.transport = "gone";
  }

  silence(): undefined {}

  #requireReports(): void {
    assert.ok(this.isReady, "nothing before ready");
    assert.equal(this.end, undefined, "nothing after the end");
    assert.ok(!this.hasClosed, "nothing after this side has closed");
  }

  // What happens to it. A transport that is gone reports nothing.

  get #isLive(): boolean {
    return this.transport !== "gone";
  }

  open(): void {
    if (this.#isLive) this.machine.opened(this.now);
  }

  receive(type: number, id: number, body = 0): void {
    if (!this.#isLive) return;
    if (type === TYPE.REPLY || type === TYPE.ERROR) this.inFlight.delete(id);
    this.machine.heard(this.now);
    const wrong = this.machine.received(type, 0, id, body);
    if (wrong !== undefined) this.machine.fault(wrong, this.now);
  }

  breaks(): void {
    if (this.#isLive) this.machine.broken("broken");
  }

  /** Begins a get, as `link.ts` does. */
  get(timeoutMs: number): ModelGet | undefined {
    if (this.machine.state !== "ready") return undefined;
    const id = this.machine.nextId();
    assert.ok(id > 0 && id <= 0xFFFFFFFF && !this.inFlight.has(id), `the id ${id} is free`);
    const get = new ModelGet(this);
    this.gets.push(get);
    this.inFlight.add(id);
    this.machine.begin(get, id, timeoutMs, this.now);
    return get;
  }

  cancel(index: number): void {
    if (index < this.gets.length) this.machine.cancel(this.gets[index], "why");
  }

  answer(index: number): void {
    const request = this.requests[index];
    if (request === undefined) return;
    const isSent = this.machine.answer(request.id, request);
    assert.ok(!isSent || !request.isDropped && !this.hasClosed, "an answer to one that waits");
  }

  close(): void {
    const { state } = this.machine;
    this.machine.close(this.now);
    if (state === "opening" || state === "ready") {
      this.hasClosed = true;
      for (const get of this.gets) assert.ok(get.outcome !== undefined, "gets settle at the close");
      assert.equal(this.machine.openRequests, 0);
    }
  }

  pass(ms: number): void {
    this.now += ms;
    this.deadlines.advance(this.now);
  }

  /** Whatever has happened: with the transport gone or silent, everything comes to its end. */
  finishUp(): void {
    for (let i = 0; i < 40 && this.end === undefined; i++) this.pass(10);
    assert.ok(this.end !== undefined, "an end comes");
    for (const get of this.gets) assert.ok(get.outcome !== undefined, "each get has its outcome");
    assert.equal(this.deadlines.size, 0, "no deadline is left");
    assert.equal(this.machine.pendingGets + this.machine.openRequests, 0);
  }
}
