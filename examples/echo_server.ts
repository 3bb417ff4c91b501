/**
 * An echo server: sends every message back on its channel, the way it came.
 *
 *     deno run --allow-ffi examples/echo_server.ts 7777
 *     bun examples/echo_server.ts 7777
 *     node examples/echo_server.ts 7777
 *
 * It serves until Ctrl-C. Without a port it takes a free one and ends after a second.
 */
import process from "node:process";
import { Host } from "@enetjs/enet";

const port = process.argv[2];
await using server = await Host.listen({ hostname: "127.0.0.1", port: Number(port ?? 0) });
console.log(`listening on ${server.address.hostname}:${server.address.port}`);

// Closing the host ends the loop below.
if (port === undefined) setTimeout(() => server.close(), 1000);
process.once("SIGINT", () => server.close());

for await (const event of server) {
  const { hostname, port } = "peer" in event ? event.peer.address : event.address;
  if (event.type === "connect") console.log(`${hostname}:${port} connected`);
  if (event.type === "disconnect") console.log(`${hostname}:${port} left (${event.reason})`);
  if (event.type === "receive") {
    event.peer.send(event.channelId, event.packet, event.packet.flags);
  }
}
console.log("closed");
