/* What ENETJS_DEBUG=1 says of messages that are refused for their size. */
import { Host } from "../../mod.ts";

await using server = await Host.listen({ hostname: "127.0.0.1", maximumPacketSize: 100_000 }, {});
await using client = await Host.create();
for (let i = 0; i < 2; i++) {
  const peer = await client.connect(server.address);
  await peer.deliver(0, new Uint8Array(100_000));
  console.warn("now");
  const { overBudget } = server.stats;
  peer.send(0, new Uint8Array(100_001));
  // Only then the client may give up, or on a busy machine it does so before the server has read anything.
  while (server.stats.overBudget === overBudget) await new Promise((resolve) => setTimeout(resolve, 1));
  peer.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  console.log((await peer.closed).reason);
}
await server.close({ graceMs: 0 });
