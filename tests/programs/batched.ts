// Sends a megabyte to and fro, and prints how datagrams pass and what came back. Also where libenet was
// loaded before.
import { Host, versions } from "../../mod.ts";

const done = Promise.withResolvers<number>();
await using server = await Host.listen({ hostname: "127.0.0.1", unguarded: true }, {
  receive: (from, channelId, packet) => from.send(channelId, packet),
});
await using client = await Host.create({}, {
  receive: (_peer, _channelId, packet) => done.resolve(packet.length),
});
const peer = await client.connect(server.address);
peer.send(0, new Uint8Array(1 << 20));
const length = await done.promise;
const { datagrams } = await versions();
console.log(JSON.stringify({ datagrams, length }));
