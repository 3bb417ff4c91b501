/**
 * Connections that open and close, some at once; the counterpart of bench/c/churn.c.
 *
 *     churn.ts serve
 *     churn.ts ask PORT ROUNDS AT_ONCE WARMUP
 */
import process from "node:process";
import { Host } from "../../mod.ts";
import { createClient, LISTENING, say } from "./_common.ts";

async function serve(): Promise<void> {
  const over = Promise.withResolvers<void>();
  // More connections a second than one address may open by default.
  const limits = { address: { connects: { perSecond: Infinity } } };
  using server = await Host.listen({ hostname: LISTENING, peers: 128, limits }, {
    receive: () => over.resolve(),
  });
  say("port", server.address.port);
  await over.promise;
}

async function ask([port, rounds, atOnce, warmup]: number[]): Promise<void> {
  using host = await createClient({ peers: atOnce }, {});
  const address = { hostname: LISTENING, port };
  const connections = Array.from({ length: atOnce });
  let start = 0;
  for (let round = -warmup; round < rounds; round++) {
    if (round === 0) start = performance.now();
    const peers = await Promise.all(connections.map(() => host.connect(address)));
    host.flush(); // Disconnecting would drop the acknowledgement, and leave the server waiting.
    await Promise.all(peers.map((peer) => peer.disconnect()));
  }
  say("seconds", (performance.now() - start) / 1000);
  await (await host.connect(address)).deliver(0, "the end");
}

const [role, ...numbers] = process.argv.slice(2);
if (role === "serve") await serve();
else await ask(numbers.map(Number));
