/** The library's own echo: messages between two hosts on one channel, whose order tells which reply is whose. */
import { Host } from "../../../mod.ts";
import { HOSTNAME } from "../_common.ts";
import { type OnReply, runEnd } from "./_end.ts";

await runEnd({
  async serve() {
    const server = await Host.listen({ hostname: HOSTNAME, peers: 1 }, {
      receive: (peer, channelId, packet) => void peer.send(channelId, packet),
    });
    return server.address.port;
  },
  async connect(_what, port, inFlight) {
    /** The requests in flight, in their order, as a ring. */
    const waiting: OnReply[] = new Array(inFlight);
    let asked = 0;
    let answered = 0;
    const host = await Host.create({ peers: 1 }, {
      receive: (_peer, _channelId, packet) => waiting[answered++ % inFlight](packet.length),
    });
    const peer = await host.connect({ hostname: HOSTNAME, port });
    return (message, onReply) => {
      waiting[asked++ % inFlight] = onReply;
      peer.send(0, message);
    };
  },
});
