import { type Abortable, unwatch, watch } from "./abort.ts";
import { GetError, RefusalCode } from "./errors.ts";
import { type Failure, Get } from "./machine_contract.ts";
import type { ReceivedPayload } from "./payload.ts";
import type { Payload } from "./types.ts";

/** A request of this side that waits. */
export class PendingGet extends Get<ReceivedPayload> implements Abortable {
  readonly promise: Promise<Payload>;
  readonly #connection: { readonly name: string };
  readonly #idempotent: boolean;
  #resolve!: (payload: Payload) => void;
  #reject!: (error: unknown) => void;
  #signal: AbortSignal | undefined;

  /** @param connection whose name stands in the messages of errors */
  constructor(connection: { readonly name: string }, idempotent: boolean) {
    super();
    this.#connection = connection;
    this.#idempotent = idempotent;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  watch(signal: AbortSignal): void {
    this.#signal = signal;
    watch(signal, this);
  }

  aborted(reason: unknown): void {
    this.machine?.cancel(this, reason);
  }

  override done(body: ReceivedPayload): void {
    this.#unwatch();
    this.#resolve(body.retain());
  }

  override fail(failure: Failure): void {
    this.#unwatch();
    this.#reject(getError(this.#connection.name, failure, this.#idempotent));
  }

  #unwatch(): void {
    if (this.#signal !== undefined) unwatch(this.#signal, this);
  }
}

/** The error of a get, with the name of its connection. */
export function getError(
  name: string,
  { code, outcome, text, data, cause }: Failure,
  idempotent: boolean,
): GetError {
  const retryable = outcome === "never-sent" || data === RefusalCode.BUSY ||
    outcome === "unknown" && idempotent;
  return new GetError(code, `${name}: ${text}`, { outcome, retryable, data, cause });
}
