/**
 * Messages there and back, many under way at once; the counterpart of bench/c/reflect.c.
 *
 *     reflect.ts serve STYLE FLAGS
 *     reflect.ts ask STYLE FLAGS PORT SIZE COUNT WARMUP AT_ONCE
 */
import process from "node:process";
import type { PacketFlag } from "../../mod.ts";
import { connect, createClient, hasPump, say, type Style } from "./_common.ts";
import { echoServers } from "./_echo.ts";

const SILENCE_MS = 200;

/** Keeps a number of messages under way until enough of them have come back, or are lost. */
class Reflections {
  /** Whether all have. */
  over = false;
  readonly #send: () => void;
  readonly #count: number;
  readonly #atOnce: number;
  #answered: number;
  #lost = 0;
  #sent = 0;
  #start = 0;
  #heard = false;

  constructor(send: () => void, [count, warmup, atOnce]: number[]) {
    this.#send = send;
    this.#count = count;
    this.#atOnce = atOnce;
    this.#answered = -warmup;
    this.#sent = -warmup;
  }

  /** Sends as many as may be under way. */
  ask(): void {
    for (; this.#sent < this.#count && this.#underWay < this.#atOnce; this.#sent++) this.#send();
  }

  get #underWay(): number {
    return this.#sent - this.#answered - this.#lost;
  }

  /** Takes an answer and asks again. */
  answer(): void {
    this.#heard = true;
    if (++this.#answered === 0) this.#start = performance.now();
    this.ask();
    this.#endIfDone();
  }

  /** Called now and then: gives up what is under way if nothing has come since the last time. */
  tick(): void {
    if (!this.#heard && !this.over) {
      this.#lost = this.#sent - this.#answered;
      this.ask();
      this.#endIfDone();
    }
    this.#heard = false;
  }

  #endIfDone(): void {
    if (this.over || this.#answered + this.#lost < this.#count) return;
    this.over = true;
    say("seconds", (performance.now() - this.#start) / 1000);
    say("messages", this.#answered);
  }
}

async function ask(style: Style, flags: PacketFlag, port: number, [size, ...numbers]: number[]) {
  const message = new Uint8Array(size);
  const over = Promise.withResolvers<void>();
  const onAnswer = () => {
    reflections.answer();
    if (reflections.over) over.resolve();
  };
  await using host = await createClient(
    { peers: 1, pump: hasPump(style) },
    style === "handler" ? { receive: onAnswer } : undefined,
  );
  const peer = await connect(host, port, style);
  peer.throttle({ deceleration: 0 }); // Otherwise ENet drops unreliable messages, on both sides.
  const reflections = new Reflections(() => void peer.send(0, message, flags), numbers);
  const timer = setInterval(() => {
    reflections.tick();
    if (reflections.over) over.resolve();
  }, SILENCE_MS);
  reflections.ask();
  if (style === "handler") {
    await over.promise;
  } else if (style === "for-await") {
    for await (const event of host) {
      if (event.type === "receive") onAnswer();
      if (reflections.over) break;
    }
  } else {
    while (!reflections.over) {
      const event = host.service(SILENCE_MS);
      if (event?.type === "receive") onAnswer();
      else if (event === null) reflections.tick();
    }
  }
  clearInterval(timer);
}

const [role, style, flags, port, ...numbers] = process.argv.slice(2);
if (role === "serve") {
  await echoServers[style as Style]({
    spin: "auto",
    flags: Number(flags) as PacketFlag,
    flush: false,
  });
} else await ask(style as Style, Number(flags) as PacketFlag, Number(port), numbers.map(Number));
