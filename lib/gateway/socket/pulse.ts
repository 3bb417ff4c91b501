/**
 * When a client has last been heard, what that asks for, and its round trip.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { SocketPlan } from "./options.ts";

/** Pings without an answer after which a client is ended. */
const UNANSWERED = 2;

/** What is to be done with a client: a ping, or its end, for sending no message or for not answering. */
export type Due = "nothing" | "ping" | "idle" | "silent";

/** Watches the time of a client. */
export class Pulse {
  readonly #plan: Pick<SocketPlan, "idleTimeoutMs" | "pingIntervalMs">;
  #heardAt = performance.now();
  #messageAt: number = this.#heardAt;
  #nextPingAt: number;
  #pings = 0;
  #pingSentAt = 0;
  #unanswered = 0;
  #roundTripMs: number | undefined;

  constructor(plan: Pick<SocketPlan, "idleTimeoutMs" | "pingIntervalMs">) {
    this.#plan = plan;
    this.#nextPingAt = this.#heardAt + (plan.pingIntervalMs || Infinity);
  }

  /** That of the last ping that was answered. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Bytes have come. */
  heard(): void {
    this.#heardAt = performance.now();
    this.#unanswered = 0;
  }

  /** With these bytes, a message has come. */
  message(): void {
    this.#messageAt = this.#heardAt;
  }

  /** With these bytes, a pong has come. */
  pong(payload: Uint8Array): void {
    if (payload.length !== 4 || Buffer.from(payload).readUInt32BE() !== this.#pings) return;
    this.#roundTripMs = this.#heardAt - this.#pingSentAt;
  }

  /** After a pause of the program the client has its whole time again. */
  restart(): void {
    this.heard();
    this.message();
  }

  /** What is due. While the program does not read, it can't hear a client. */
  look(now: number, isPaused: boolean): Due {
    const { idleTimeoutMs, pingIntervalMs } = this.#plan;
    if (idleTimeoutMs > 0 && !isPaused && now - this.#messageAt > idleTimeoutMs) return "idle";
    if (now < this.#nextPingAt) return "nothing";
    this.#nextPingAt = now + pingIntervalMs;
    if (isPaused) return "nothing";
    return this.#unanswered === UNANSWERED ? "silent" : "ping";
  }

  /** The payload of a ping that is sent now. */
  ping(now: number): Uint8Array {
    this.#unanswered++;
    this.#pingSentAt = now;
    this.#pings = (this.#pings + 1) >>> 0;
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(this.#pings);
    return payload;
  }
}
