/**
 * Round trips of one message at a time; the counterpart of bench/c/echo.c.
 *
 *     echo.ts serve STYLE SPIN
 *     echo.ts ask STYLE SPIN PORT SIZE COUNT WARMUP
 */
import process from "node:process";
import { Host, type HostOptions } from "../../mod.ts";
import { connect, hasPump, HOSTNAME, say, type Style } from "./_common.ts";
import { RoundTrips } from "./_measure.ts";

type Spin = HostOptions["spin"];

const servers: Record<Style, (spin: Spin) => Promise<void>> = {
  async handler(spin) {
    const over = Promise.withResolvers<void>();
    await using server = await Host.listen({ hostname: HOSTNAME, peers: 1, spin }, {
      receive: (peer, channelId, view) => void peer.send(channelId, view),
      disconnect: () => over.resolve(),
    });
    say("port", server.address.port);
    await over.promise;
  },
  async "for-await"(spin) {
    await using server = await Host.listen({ hostname: HOSTNAME, peers: 1, spin });
    say("port", server.address.port);
    for await (const event of server) {
      if (event.type === "receive") event.peer.send(event.channelId, event.packet);
      if (event.type === "disconnect") break;
    }
  },
  async manual() {
    await using server = await Host.listen({ hostname: HOSTNAME, peers: 1, pump: false });
    say("port", server.address.port);
    for (;;) {
      const event = server.service(1000);
      if (event?.type === "disconnect") break;
      if (event?.type !== "receive") continue;
      event.peer.send(event.channelId, event.packet);
      server.flush();
    }
  },
};

async function ask(style: Style, spin: Spin, port: number, [size, count, warmup]: number[]) {
  const message = new Uint8Array(size);
  const over = Promise.withResolvers<void>();
  const onAnswer = () => {
    trips.answer();
    if (trips.over) over.resolve();
  };
  await using host = await Host.create(
    { peers: 1, pump: hasPump(style), spin },
    style === "handler" ? { receive: onAnswer } : undefined,
  );
  const peer = await connect(host, port, style);
  const trips = new RoundTrips(() => void peer.send(0, message), count, warmup);
  trips.ask();
  if (style === "handler") {
    await over.promise;
  } else if (style === "for-await") {
    for await (const event of host) {
      if (event.type === "receive") onAnswer();
      if (trips.over) break;
    }
  } else {
    while (!trips.over) {
      host.flush();
      if (host.service(1000)?.type === "receive") onAnswer();
    }
  }
}

const [role, style, spin, port, ...numbers] = process.argv.slice(2);
if (role === "serve") await servers[style as Style](spin as Spin);
else await ask(style as Style, spin as Spin, Number(port), numbers.map(Number));
