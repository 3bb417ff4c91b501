/* What ENETJS_DEBUG=1 says of messages that are refused for their size. */
import { Host } from "../../mod.ts";

let seen = () => {};
await using server = await Host.listen({ hostname: "127.0.0.1", maximumPacketSize: 100_000 }, {
  receive: (_peer, channelId) => {
    if (channelId === 1) seen();
  },
});
await using client = await Host.create();
for (let i = 0; i < 2; i++) {
  const peer = await client.connect(server.address);
  await peer.deliver(0, new Uint8Array(100_000));
  console.warn("now");
  peer.send(0, new Uint8Array(100_001));
  // What comes behind it tells that the server has seen it.
  const { promise, resolve } = Promise.withResolvers<void>();
  seen = resolve;
  peer.send(1, "behind it");
  await promise;
  peer.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  console.log((await peer.closed).reason);
}
await server.close({ graceMs: 0 });
