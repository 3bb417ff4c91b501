/**
 * Hosts that nothing but a waiting promise, iteration, handler or `accept` refers to: they must survive the
 * collector. Prints `kept` when all of them still work.
 */
import process from "node:process";
import { Host } from "../../mod.ts";

const { gc, Bun } = globalThis as {
  gc?: () => void;
  Bun?: { gc(force: boolean): void };
};
const collect = gc ?? (() => Bun!.gc(true));
const turn = () => new Promise((resolve) => setTimeout(resolve, 10));

/** Only its handlers refer to this host. */
async function handled(): Promise<number> {
  const { address } = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  return address.port;
}

/** Only its own loop refers to this host. */
async function iterated(): Promise<number> {
  const host = await Host.listen({ hostname: "127.0.0.1" });
  const { port } = host.address;
  void (async () => {
    for await (const event of host) {
      if (event.type === "receive") event.peer.send(event.channelId, event.packet);
    }
  })();
  return port;
}

/** Only the function that it asks refers to this host, whose clients are refused. */
async function asking(): Promise<number> {
  const { address } = await Host.listen({ hostname: "127.0.0.1", accept: () => 7 });
  return address.port;
}

/** What a client is refused with. */
async function refusal(port: number): Promise<unknown> {
  const host = await Host.create();
  const attempt = host.connect({ hostname: "127.0.0.1", port });
  return await attempt.then(() => "connected", (error) => error.data ?? error.message);
}

/** Only the promise refers to this host, which waits for the last collection. */
async function echo(port: number, released: Promise<void>): Promise<string> {
  const host = await Host.create();
  const peer = await host.connect({ hostname: "127.0.0.1", port });
  void released.then(() => peer.send(0, "still there"));
  for await (const { packet } of peer) return packet.text();
  return "nothing";
}

const ports = [await handled(), await iterated()];
const refusing = await asking();
const release = Promise.withResolvers<void>();
const echoes = ports.map((port) => echo(port, release.promise));
for (let i = 0; i < 20; i++) {
  collect();
  await turn();
}
release.resolve();
const texts = await Promise.all(echoes);
const refused = await refusal(refusing);
const isKept = texts.every((text) => text === "still there") && refused === 7;
console.log(isKept ? "kept" : `lost: ${texts}, ${refused}`);
process.exit(0);
