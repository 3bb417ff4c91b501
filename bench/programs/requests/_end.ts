/**
 * Both ends of a measurement of requests, whatever carries them. Every program of this folder runs as
 *
 *     NAME.ts serve WHAT
 *     NAME.ts ask WHAT PORT SIZE COUNT WARMUP IN_FLIGHT
 *
 * `serve` prints its port and answers each request with the bytes of the request, until it is killed.
 * `ask` prints how long COUNT requests took and the percentiles of their time. WHAT is that of the
 * program, such as the folder of a package, or "-".
 *
 * @module
 */
import process from "node:process";
import { say, sayPercentiles } from "../_common.ts";

/** Takes a reply, of which only the length matters. */
export type OnReply = (length: number) => void;

/** Sends a request, and calls the function with the reply. */
export type Ask = (message: Uint8Array, onReply: OnReply) => void;

/** What a program does at each end. */
export interface Ends {
  /** Listens, and resolves with the port. */
  serve(what: string): Promise<number>;
  /** Connects, and resolves with what sends a request. */
  connect(what: string, port: number, inFlight: number): Promise<Ask>;
}

/** Sends requests, a number of them in flight at all times, and times each of them. */
class Requests {
  /** Resolves when all have been answered. */
  readonly over = Promise.withResolvers<void>();
  readonly #ask: Ask;
  readonly #message: Uint8Array;
  readonly #times: Float64Array;
  #asked: number;
  #answered: number;
  #start = 0;

  constructor(ask: Ask, message: Uint8Array, count: number, warmup: number) {
    this.#ask = ask;
    this.#message = message;
    this.#times = new Float64Array(count);
    this.#asked = -warmup;
    this.#answered = -warmup;
  }

  /** Begins a lane: a request that is followed by the next one when its reply is there. */
  begin(): void {
    let start = 0;
    const ask = () => {
      if (this.#asked === this.#times.length) return;
      this.#asked++;
      start = performance.now();
      this.#ask(this.#message, onReply);
    };
    const onReply: OnReply = (length) => {
      if (length !== this.#message.length) throw new Error(`A reply of ${length} bytes`);
      this.#answer(start);
      ask();
    };
    ask();
  }

  #answer(start: number): void {
    const now = performance.now();
    if (this.#answered >= 0) this.#times[this.#answered] = now - start;
    if (++this.#answered === 0) this.#start = now;
    if (this.#answered < this.#times.length) return;
    say("seconds", (now - this.#start) / 1000);
    sayPercentiles(this.#times);
    this.over.resolve();
  }
}

/** Runs the end that the arguments of the program name. */
export async function runEnd({ serve, connect }: Ends): Promise<void> {
  const [role, what, ...numbers] = process.argv.slice(2);
  if (role === "serve") return say("port", await serve(what));
  const [port, size, count, warmup, inFlight] = numbers.map(Number);
  const ask = await connect(what, port, inFlight);
  const requests = new Requests(ask, new Uint8Array(size), count, warmup);
  for (let lane = 0; lane < inFlight; lane++) requests.begin();
  await requests.over.promise;
  process.exit();
}
