import type { BackplaneLog, LogEntry } from "./backplane.ts";

/** What a follower does. */
export interface FollowerOutput {
  /** The log, if the backplane is there. */
  log(): BackplaneLog | undefined;
  /** Gives a message to the members, the next one of the log. */
  deliver(entry: Omit<LogEntry, "previous">, epoch: number): void;
  /** Messages before the next one are lost. */
  gap(): void;
}

/**
 * Follows the log of one topic without gaps: what has not come by itself it reads.
 *
 * `offset` is the last message that the members have been given. Messages come in order, or not at all.
 */
export class Follower {
  readonly #topic: string;
  readonly #output: FollowerOutput;
  #epoch = 0;
  #offset: number | undefined;
  /** The last message that is known to exist. */
  #newest = 0;
  #filling = false;
  #waiters: (() => void)[] = [];

  constructor(topic: string, output: FollowerOutput) {
    this.#topic = topic;
    this.#output = output;
  }

  /** The last message that was delivered; undefined before the first one. */
  get offset(): number | undefined {
    return this.#offset;
  }

  /** Takes all up to an offset for delivered, if nothing has been delivered yet. */
  begin(offset: number): void {
    this.#offset ??= offset;
  }

  /** A message has come. */
  entry(entry: LogEntry): void {
    this.#checkEpoch();
    this.#newest = Math.max(this.#newest, entry.offset);
    if (this.#filling || entry.offset <= (this.#offset ?? 0)) return;
    if (this.#offset !== undefined && entry.previous > this.#offset) return void this.#fill();
    this.#deliver(entry);
  }

  /** The link is up again: what was missed is read. */
  catchUp(): void {
    this.#checkEpoch();
    if (this.#offset !== undefined) void this.#fill();
  }

  /** Resolves when another message has been delivered, or the follower has read what there is. */
  moved(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push(resolve);
    return promise;
  }

  /** After the log was lost, offsets begin again. */
  #checkEpoch(): void {
    const epoch = this.#output.log()?.epoch ?? 0;
    if (epoch === this.#epoch) return;
    if (this.#offset !== undefined && this.#epoch !== 0) this.#output.gap();
    this.#epoch = epoch;
    this.#offset = undefined;
    this.#newest = 0;
  }

  #deliver(entry: Omit<LogEntry, "previous">): void {
    this.#offset = entry.offset;
    this.#output.deliver(entry, this.#epoch);
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (;;) {
        const log = this.#output.log();
        const epoch = this.#epoch;
        if (log === undefined || this.#offset === undefined) break;
        const { entries, complete } = await log.read(this.#topic, this.#offset);
        this.#checkEpoch();
        if (this.#epoch !== epoch) break;
        if (!complete) this.#output.gap();
        for (const entry of entries) this.#deliver(entry);
        // What came meanwhile may be behind what was read.
        if (entries.length === 0 || this.#offset >= this.#newest) break;
      }
    } catch {
      // The link is down. When it is up again, `catchUp` is called; the next message does the same.
    } finally {
      this.#filling = false;
      this.#wake();
    }
  }
}
