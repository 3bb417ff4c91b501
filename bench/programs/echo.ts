/**
 * Round trips of one message at a time; the counterpart of bench/c/echo.c.
 *
 *     echo.ts serve STYLE SPIN
 *     echo.ts ask STYLE SPIN PORT SIZE COUNT WARMUP
 */
import process from "node:process";
import { type HostOptions, PacketFlag } from "../../mod.ts";
import { connect, createClient, hasPump, type Style } from "./_common.ts";
import { echoServers } from "./_echo.ts";
import { RoundTrips } from "./_measure.ts";

type Spin = HostOptions["spin"];

async function ask(style: Style, spin: Spin, port: number, [size, count, warmup]: number[]) {
  const message = new Uint8Array(size);
  const over = Promise.withResolvers<void>();
  const onAnswer = () => {
    trips.answer();
    if (trips.over) over.resolve();
  };
  await using host = await createClient(
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
if (role === "serve") {
  const echo = { spin: spin as Spin, flags: PacketFlag.RELIABLE, flush: true };
  await echoServers[style as Style](echo);
} else await ask(style as Style, spin as Spin, Number(port), numbers.map(Number));
