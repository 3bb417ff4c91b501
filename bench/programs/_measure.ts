/**
 * The receiving and the asking end of a measurement, whatever carries the messages.
 *
 * @module
 */
import process from "node:process";
import { say, sayPercentiles, sayUsageSince } from "./_common.ts";

/** How often the receiver looks at the clock, for messages that are small. */
const CLOCK_MASK = 63;
const SMALL = 1024;

/** Counts and times messages between two marks, which are messages of one byte. */
export class Meter {
  /** Whether the second mark has come. */
  over = false;
  #messages = 0;
  #sum = 0;
  #marks = 0;
  #start = 0;
  #last = 0;
  #usage = process.cpuUsage();

  /** Takes a message. */
  take(bytes: Uint8Array): void {
    if (bytes.length === 1) return this.mark();
    this.#sum += bytes[0];
    if ((++this.#messages & CLOCK_MASK) === 0 || bytes.length > SMALL) {
      this.#last = performance.now();
    }
  }

  /** Takes a mark: the first begins, the second ends and prints. */
  mark(): void {
    if (++this.#marks === 1) {
      this.#messages = 0;
      this.#usage = process.cpuUsage();
      this.#start = performance.now();
      return;
    }
    say("seconds", (this.#last - this.#start) / 1000);
    say("messages", this.#messages);
    sayUsageSince(this.#usage);
    if (this.#sum !== 0) throw new Error("Not what was sent");
    this.over = true;
  }
}

/** Times round trips, one at a time. */
export class RoundTrips {
  /** Whether all have been made. */
  over = false;
  readonly #send: () => void;
  readonly #times: Float64Array;
  #done: number;
  #start = 0;

  /**
   * @param send sends a message
   * @param count how many round trips to time
   * @param warmup how many to make before
   */
  constructor(send: () => void, count: number, warmup: number) {
    this.#send = send;
    this.#times = new Float64Array(count);
    this.#done = -warmup;
  }

  /** Sends a message and starts the clock. */
  ask(): void {
    this.#start = performance.now();
    this.#send();
  }

  /** Takes an answer and asks again, or prints the percentiles. */
  answer(): void {
    const time = performance.now() - this.#start;
    if (this.#done >= 0) this.#times[this.#done] = time;
    if (++this.#done < this.#times.length) return this.ask();
    this.over = true;
    sayPercentiles(this.#times);
  }
}
