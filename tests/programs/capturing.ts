/** Two hosts that talk without end, captured by ENETJS_TRACE; prints "talking" once much has been said. */
import { Host } from "../../mod.ts";

const server = await Host.listen({ hostname: "127.0.0.1" }, {
  receive: (peer, channelId, packet) => void peer.send(channelId, packet),
});
let messages = 0;
const client = await Host.create({}, {
  receive(peer, channelId, packet) {
    peer.send(channelId, packet);
    if (++messages === 2000) console.log("talking");
  },
});
const peer = await client.connect(server.address);
for (let i = 0; i < 20; i++) peer.send(0, new Uint8Array(700));
