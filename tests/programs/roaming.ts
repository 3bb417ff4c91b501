/**
 * A server, and a client that connects again whenever its connection has ended.
 *
 *     serve          prints the ports from which clients connect, and how they end
 *     roam SERVER    prints "session" for each connection, and how it ends
 */
import process from "node:process";
import { Host } from "../../mod.ts";

const [command, where] = process.argv.slice(2);
const timeouts = { minimumMs: 1000, maximumMs: 2000 };

if (command === "serve") {
  const server = await Host.listen({ hostname: "0.0.0.0" }, {
    connect(peer) {
      peer.timeout(timeouts);
      console.log(`connected: ${peer.address.port}`);
    },
    disconnect: (peer, reason) => console.log(`ended: ${peer.address.port} ${reason}`),
  });
  console.log(`listening on port ${server.address.port}`);
} else {
  await using client = await Host.create();
  for await (const peer of client.sessions(where, { retry: { minimumMs: 10 } })) {
    peer.timeout(timeouts);
    console.log("session");
    const { reason } = await peer.closed;
    console.log(`ended: ${reason}`);
  }
}
