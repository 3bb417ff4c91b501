/** Throws in a function of the program's own that a handler of a host calls. */
import { Host } from "../../mod.ts";

function parsePosition(text: string): void {
  throw new RangeError(`bad position ${text}`);
}

const server = await Host.listen({ hostname: "127.0.0.1" }, {
  receive: function onMessage(_peer, _channelId, packet) {
    parsePosition(packet.text());
  },
});
const client = await Host.create();
const peer = await client.connect(server.address);
peer.send(0, "x");
