/**
 * What a machine and its link need of each other: the settings of a machine, what it has a link do, and how gets
 * and connections end.
 *
 * @module
 */
import type { ENetErrorCode } from "../errors.ts";
import { Deadline } from "./deadlines.ts";
import type { GetOutcome } from "./errors.ts";

/** Where a connection is in its life. */
export type MachineState = "opening" | "ready" | "closing" | "ended";

/** How it has ended. */
export interface MachineEnd {
  /** `"refused"` and `"handshake"` only before it was ready. */
  readonly reason: "local" | "remote" | "lost" | "protocol" | "refused" | "handshake";
  /** What has happened, for the message of an error. */
  readonly text: string;
}

/** Why a get has no reply. */
export interface Failure {
  readonly code: ENetErrorCode;
  readonly outcome: GetOutcome;
  readonly text: string;
  /** The code of a refusal. */
  readonly data?: number;
  /** The reason of an abort signal. */
  readonly cause?: unknown;
}

/** Times and limits. */
export interface MachineSettings {
  /** Whether the other side must send a heartbeat before the connection is ready. */
  readonly handshake: boolean;
  /** Milliseconds for that. */
  readonly handshakeMs: number;
  /** Milliseconds of silence after which a heartbeat is sent; Infinity where the transport does it. */
  readonly heartbeatMs: number;
  readonly lostMs: number;
  readonly closeGraceMs: number;
  readonly maximumRequests: number;
}

/** A request of this side. */
export abstract class Get<Body> extends Deadline {
  machine:
    | { timeOut(get: Get<Body>): void; cancel(get: Get<Body>, cause: unknown): void }
    | undefined;
  id = 0;
  timeoutMs = 0;

  /** Called once, unless `fail` is. */
  abstract done(body: Body): void;
  /** Called once, unless `done` is. */
  abstract fail(failure: Failure): void;

  override expire(): void {
    this.machine?.timeOut(this);
  }
}

/** What a machine has done. */
export interface Effects<Body, Request> {
  /** Sends a message that is only a header. */
  write(type: number, id: number): void;
  /** Refuses a request, of which the machine takes no note. */
  overloaded(id: number): void;
  /** Requests that were cancelled, and on which the program still works. */
  unfinished(): number;
  ready(): void;
  message(body: Body): void;
  /** Makes what stands for a request. */
  request(id: number, idempotent: boolean, body: Body): Request;
  /** Reports it. */
  requested(request: Request): void;
  /** Nobody waits for the answer to a request any more. */
  dropped(request: Request): void;
  /** The code and the text in the body of an error. */
  refusal(body: Body): { readonly code: number; readonly text: string };
  /** Every get has settled before. */
  ended(end: MachineEnd, settled: number): void;
  /** Sends what is queued, then the code, then ends the transport; what arrives is dropped. */
  finish(code: number): void;
  /** The other side has closed: ends the transport without a code. */
  release(): void;
  /** Drops the transport now. */
  abort(): void;
  /** Milliseconds since the last sign of life, where the transport knows it better. */
  silence(): number | undefined;
}

/** What a machine counts. */
export interface MachineCounts {
  lateReplies: number;
  refusedRequests: number;
  receivedReplies: number;
  receivedRequests: number;
  receivedMessages: number;
}
