/**
 * A sender and a receiver for links with distance, over ENet, TCP, WebSockets, QUIC or a gateway; bench/c/wan.c says
 * what they send and print.
 *
 *     wan.ts receive enet|tcp|ws|quic|gateway|webrtc PARAMETER ADDRESS SECONDS
 *     wan.ts send enet|tcp|ws|quic|gateway|webrtc PARAMETER ADDRESS PORT SECONDS LOADS
 *
 * PARAMETER is for `ws` the folder of the npm package, for `quic` a file with a key and a certificate in PEM. For
 * `enet` it is how often a sender without a pump services its host in a second, or 0 for one with a pump. Over TCP and
 * WebSockets everything shares one connection.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bytes, type Carrier, CHANNEL } from "./_carrier.ts";
import { carrierOf } from "./_carriers.ts";
import { say } from "./_common.ts";
import { wallMs } from "./_wall_clock.ts";

const BULK = 1;
const REQUESTS = 2;
const STATE = 4;

const BULK_BYTES = 16 * 1024;
const SMALL_BYTES = 64;
const EARLY_MS = 2000;
const REQUEST_MS = 1000 / 20;
const STATE_MS = 1000 / 60;
const TICK_MS = 4;

/** For how long a receiver that is done still takes what comes. */
const LINGER_MS = 30_000;

function percentile(times: number[], percent: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * percent / 100)] ?? 0;
}

// ---- Receiving ---------------------------------------------------------------------------------

class Tally {
  readonly begun: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #ages: number[] = [];
  #start = 0;
  #bytes = 0;
  #early = 0;
  #last = 0;

  take(channel: number, bytes: Uint8Array, reply: (bytes: Bytes) => void): void {
    if (this.#start === 0) {
      this.#start = performance.now();
      this.begun.resolve();
    }
    if (channel === CHANNEL.REQUESTS) return reply(bytes.slice());
    if (channel === CHANNEL.BULK) {
      this.#bytes += bytes.length;
      if (performance.now() - this.#start < EARLY_MS) this.#early = this.#bytes;
      return;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    this.#ages.push(wallMs() - view.getFloat64(0, true));
    this.#last = Math.max(this.#last, view.getFloat64(8, true));
  }

  report(): void {
    say("early", this.#early);
    say("bytes", this.#bytes);
    say("states", this.#ages.length);
    say("last", this.#last);
    say("age50", percentile(this.#ages, 50));
    say("age99", percentile(this.#ages, 99));
  }
}

async function receive(carrier: Carrier, address: string, seconds: number): Promise<void> {
  const tally = new Tally();
  say("port", await carrier.listen(address, (...message) => tally.take(...message)));
  await tally.begun.promise;
  await sleep(seconds * 1000);
  tally.report();
  await sleep(LINGER_MS); // Until it is ended.
}

// ---- Sending -----------------------------------------------------------------------------------

/** A small message that carries when it was sent, and its number. */
function stamped(number: number): Bytes {
  const bytes = new Uint8Array(SMALL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, wallMs(), true);
  view.setFloat64(8, number, true);
  return bytes;
}

async function send(
  carrier: Carrier,
  address: string,
  port: number,
  seconds: number,
  loads: number,
): Promise<void> {
  const times: number[] = [];
  const way = await carrier.open(address, port, (bytes) => {
    times.push(wallMs() - new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true));
  });
  const start = performance.now();
  const end = start + seconds * 1000;
  let [requests, states] = [0, 0];
  /** Sends what is due by now, however late the timer is. */
  const tick = () => {
    const elapsed = performance.now() - start;
    while ((loads & REQUESTS) !== 0 && requests * REQUEST_MS <= elapsed) {
      way.send(CHANNEL.REQUESTS, stamped(++requests));
    }
    while ((loads & STATE) !== 0 && states * STATE_MS <= elapsed) {
      way.send(CHANNEL.STATE, stamped(++states));
    }
  };
  const timer = setInterval(tick, TICK_MS);
  const bulk = new Uint8Array(BULK_BYTES);
  while ((loads & BULK) !== 0 && performance.now() < end) await way.pour(bulk);
  await sleep(Math.max(0, end - performance.now()));
  clearInterval(timer);
  say("requests", requests);
  // Those that have no answer yet have waited for so long at least.
  for (let number = times.length; number < requests; number++) {
    times.push(performance.now() - start - number * REQUEST_MS);
  }
  say("p50", percentile(times, 50));
  say("p99", percentile(times, 99));
}

const [role, name, parameter, address, ...numbers] = process.argv.slice(2);
const carrier = carrierOf(name, parameter);
if (role === "receive") await receive(carrier, address, Number(numbers[0]));
else {
  const [port, seconds, loads] = numbers.map(Number);
  await send(carrier, address, port, seconds, loads);
}
process.exit();
