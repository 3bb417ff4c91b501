/**
 * Handlers that throw and reject. Prints as JSON what reached the runtime's uncaught errors and
 * rejections and what arrived; with the argument `unheard` nobody listens for these.
 */
import { once } from "node:events";
import process from "node:process";
import { Host, type Packet } from "../../mod.ts";

const uncaught: string[] = [];
const rejected: string[] = [];
const received: number[] = [];
const isHeard = process.argv[2] !== "unheard";
if (isHeard) {
  process.on("uncaughtException", (error) => void uncaught.push(error.message));
  process.on("unhandledRejection", (error) => void rejected.push((error as Error).message));
}
let datagrams = 0;
const bothDatagrams = Promise.withResolvers<void>();
const disconnected = Promise.withResolvers<void>();
const server = await Host.listen({ hostname: "127.0.0.1", datagrams: true }, {
  connect: () => {
    throw new Error("connect");
  },
  receive: ((_peer: unknown, _channelId: number, { length }: Packet) => {
    received.push(length);
    if (length === 2) return Promise.reject(new Error(`receive ${length}`));
    if (length !== 3) throw new Error(`receive ${length}`);
  }) as () => void,
  disconnect: () => {
    disconnected.resolve();
    throw new Error("disconnect");
  },
  datagram: () => {
    if (++datagrams === 1) throw new Error("datagram");
    bothDatagrams.resolve();
  },
});
const client = await Host.create();
const peer = await client.connect(server.address);
for (const length of [1, 2, 3]) peer.send(0, new Uint8Array(length));
await peer.deliver(0, new Uint8Array(100_000));
client.sendDatagram(server.address, "first");
client.sendDatagram(server.address, "second");
await bothDatagrams.promise;
await peer.disconnect();
await disconnected.promise;
await client.close();
await server.close();
while (isHeard && !uncaught.includes("disconnect")) await once(process, "uncaughtException");
console.log(JSON.stringify({ uncaught, rejected, received }));
