/** A host with rooms over NATS: a client's first message names its room. Argument: the port of the nats-server. */
import process from "node:process";
import { Host } from "@enetjs/enet";
import { nats, Rooms } from "@enetjs/enet/rooms";

const host = await Host.listen<string | undefined>(
  { hostname: "127.0.0.1", peers: 1024, channels: 1 },
  {
    receive(peer, channelId, packet) {
      if (peer.data !== undefined) return void rooms.to(peer.data).send(channelId, packet);
      peer.data = packet.text();
      rooms.join(peer, peer.data);
    },
  },
);
const rooms = new Rooms(host, { backplane: nats({ servers: `127.0.0.1:${process.argv[2]}` }) });
await rooms.ready;
console.log(`port ${host.address.port}`);
