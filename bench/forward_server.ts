/** The server of bench/forward.ts: forwards what a peer sends to all others. Argument: how. */
import process from "node:process";
import { Host, type HostHandlers, type Peer } from "../mod.ts";

const peers = new Set<Peer>();
const done = Promise.withResolvers<void>();

const connections: HostHandlers = {
  connect: (peer) => void peers.add(peer),
  disconnect(peer) {
    peers.delete(peer);
    if (peers.size === 0) done.resolve();
  },
};

/** Ways to forward, from the one without any copy to the one a careless program takes. */
const WAYS: Record<string, HostHandlers> = {
  "zero-copy": {
    ...connections,
    receive(from, channelId, packet) {
      for (const peer of peers) if (peer !== from) peer.send(channelId, packet);
    },
  },
  "copy": {
    ...connections,
    receive(from, channelId, packet) {
      const { bytes } = packet;
      for (const peer of peers) if (peer !== from) peer.send(channelId, bytes);
    },
  },
};

const server = await Host.listen({ hostname: "127.0.0.1", peers: 256 }, WAYS[process.argv[2]]);
console.log(`port ${server.address.port}`);
await done.promise;
await server.close();
const { user, system } = process.cpuUsage();
console.log(`cpu ${(user + system) / 1e6}`);
