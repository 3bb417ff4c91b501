/**
 * A worker with two hosts that keep messages going to and fro, and one that has no pump; posts `ready`
 * when they flow.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Host } from "../../mod.ts";

const idle = await Host.listen({ hostname: "127.0.0.1", pump: false });
const { port } = workerData as { port: number };
const server = await Host.listen({ hostname: "127.0.0.1" }, {
  receive: (peer, channelId, packet) => void peer.send(channelId, packet),
});
let count = 0;
const client = await Host.create({}, {
  receive: (peer, channelId, packet) => {
    if (++count === 100) parentPort?.postMessage(idle.closed ? "closed" : "ready");
    peer.send(channelId, packet);
  },
});
for (const to of [server.address, { hostname: "127.0.0.1", port }]) {
  const peer = await client.connect(to);
  peer.send(0, new Uint8Array(100));
  peer.send(1, new Uint8Array(100_000));
}
