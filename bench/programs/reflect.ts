/**
 * Messages there and back, many under way at once; the counterpart of bench/c/reflect.c.
 *
 *     reflect.ts serve STYLE FLAGS
 *     reflect.ts ask STYLE FLAGS PORT SIZE COUNT WARMUP AT_ONCE
 */
import process from "node:process";
import { Host } from "../../mod.ts";
import { connect, hasPump, HOSTNAME, say, type Style } from "./_common.ts";

const SILENCE_MS = 200;

const servers: Record<Style, (flags: number) => Promise<void>> = {
  async handler(flags) {
    const over = Promise.withResolvers<void>();
    await using server = await Host.listen({ hostname: HOSTNAME, peers: 1 }, {
      receive: (peer, channelId, view) => void peer.send(channelId, view, flags),
      disconnect: () => over.resolve(),
    });
    say("port", server.address.port);
    await over.promise;
  },
  async "for-await"(flags) {
    await using server = await Host.listen({ hostname: HOSTNAME, peers: 1 });
    say("port", server.address.port);
    for await (const event of server) {
      if (event.type === "receive") event.peer.send(event.channelId, event.packet, flags);
      if (event.type === "disconnect") break;
    }
  },
  async manual(flags) {
    await using server = await Host.listen({ hostname: HOSTNAME, peers: 1, pump: false });
    say("port", server.address.port);
    for (;;) {
      const event = server.service(1000);
      if (event?.type === "disconnect") break;
      if (event?.type === "receive") event.peer.send(event.channelId, event.packet, flags);
    }
  },
};

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

  /** Sends the first. */
  ask(): void {
    for (let i = 0; i < this.#atOnce; i++) this.#next();
  }

  #next(): void {
    if (this.#sent === this.#count) return;
    this.#sent++;
    this.#send();
  }

  /** Takes an answer and sends another message. */
  answer(): void {
    this.#heard = true;
    if (++this.#answered === 0) this.#start = performance.now();
    this.#next();
    this.#endIfDone();
  }

  /** Called now and then: gives up what has had no answer since the last time. */
  tick(): void {
    if (!this.#heard && !this.over) {
      const lost = this.#sent - this.#answered - this.#lost;
      this.#lost += lost;
      for (let i = 0; i < lost; i++) this.#next();
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

async function ask(style: Style, flags: number, port: number, [size, ...numbers]: number[]) {
  const message = new Uint8Array(size);
  const over = Promise.withResolvers<void>();
  const onAnswer = () => {
    reflections.answer();
    if (reflections.over) over.resolve();
  };
  await using host = await Host.create(
    { peers: 1, pump: hasPump(style) },
    style === "handler" ? { receive: onAnswer } : undefined,
  );
  const peer = await connect(host, port, style);
  peer.throttle({ deceleration: 0 }); // Otherwise ENet drops unreliable messages, on both sides.
  const reflections = new Reflections(() => void peer.send(0, message, flags), numbers);
  const timer = setInterval(() => reflections.tick(), SILENCE_MS);
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
if (role === "serve") await servers[style as Style](Number(flags));
else await ask(style as Style, Number(flags), Number(port), numbers.map(Number));
