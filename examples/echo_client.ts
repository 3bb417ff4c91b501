/**
 * An echo client: sends a few messages one by one and prints what comes back, and how fast.
 *
 *     deno run --allow-ffi examples/echo_client.ts 7777
 *     bun examples/echo_client.ts 7777
 *     node examples/echo_client.ts 7777
 *
 * Start `echo_server.ts` with that port first. Without a port it starts a server of its own.
 */
import process from "node:process";
import { ENetError, Host } from "@enetjs/enet";

const port = process.argv[2];
await using server = port === undefined
  ? await Host.listen({ hostname: "127.0.0.1" }, {
    receive: (peer, channelId, packet) => peer.send(channelId, packet),
  })
  : undefined;
await using client = await Host.create();
const address = server?.address ?? { hostname: "127.0.0.1", port: Number(port) };

try {
  const peer = await client.connect(address, { timeoutMs: 2000 });
  const answers = peer[Symbol.asyncIterator]();
  for (const text of ["one", "two", "three"]) {
    const start = performance.now();
    peer.send(0, text);
    const { value, done } = await answers.next();
    if (done) throw new Error("the server has gone");
    console.log(`${value.packet.text()} in ${(performance.now() - start).toFixed(2)} ms`);
  }
  await peer.disconnect();
} catch (error) {
  if (!(error instanceof ENetError)) throw error;
  console.error(error.message); // for example: no answer within 2000 ms
  process.exitCode = 1;
}
