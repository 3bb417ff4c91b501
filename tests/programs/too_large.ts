/* What ENETJS_DEBUG=1 says of messages that are refused for their size. */
import { Host } from "../../mod.ts";

let connects = 0;
await using server = await Host.listen({ hostname: "127.0.0.1", maximumPacketSize: 100_000 }, {
  connect: () => void connects++,
});
await using client = await Host.create();

/** Asks again and again: a busy machine lets one side wait for long. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

for (let i = 0; i < 2; i++) {
  const peer = await client.connect(server.address);
  await peer.deliver(0, new Uint8Array(100_000));
  await until(() => connects > i); // What was to be said of the connection before has been said.
  console.warn("now");
  const { overBudget } = server.stats;
  peer.send(0, new Uint8Array(100_001));
  // The server has refused it. Nothing that is sent behind it could tell: it may fill the window for good.
  await until(() => server.stats.overBudget > overBudget);
  peer.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  console.log((await peer.closed).reason);
}
await server.close({ graceMs: 0 });
