/** The clients of `enet_server.ts`; see `_load.ts`. */
import { Host, type Peer } from "@enetjs/enet";
import { runLoad } from "./_load.ts";

const receivers = new Map<Peer, (bytes: Uint8Array) => void>();
const host = await Host.create({ peers: 2048, channels: 1 }, {
  receive: (peer, _channelId, packet) => receivers.get(peer)?.(packet.view),
});

await runLoad(async (port, room, receive) => {
  const peer = await host.connect({ hostname: "127.0.0.1", port }, { channels: 1 });
  receivers.set(peer, receive);
  peer.send(0, room);
  return { send: (bytes) => void peer.send(0, bytes) };
});
