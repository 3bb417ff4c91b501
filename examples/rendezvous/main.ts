/**
 * Two clients behind routers find each other through a rendezvous server, and talk directly where their routers let
 * them. Without arguments, all of it runs in one process.
 *
 *     deno run --allow-ffi --allow-net examples/rendezvous/main.ts
 *     bun examples/rendezvous/main.ts
 *     node examples/rendezvous/main.ts
 *
 * On three machines, where the first one has a public address:
 *
 *     … main.ts server 7777
 *     … main.ts listen 192.0.2.7:7777 SECRET
 *     … main.ts connect 192.0.2.7:7777 SECRET
 *
 * The relays take any ports of the server. docs/nat.md tells how it works.
 */
import { randomUUID } from "node:crypto";
import process from "node:process";
import type { Address, HostHandlers } from "@enetjs/enet";
import { RendezvousClient } from "./client.ts";
import { RendezvousServer } from "./server.ts";

const [command, where = "7777", secret = ""] = process.argv.slice(2);

/** What the client that listens does with its connections. */
const echo: HostHandlers = {
  connect: (peer) => console.log(`${peer.address.hostname} has connected`),
  receive: (peer, channelId, packet) => void peer.send(channelId, packet),
};

async function connect(server: Address, secret: string, relayOnly = false): Promise<void> {
  await using client = await RendezvousClient.open(server);
  const { peer, over } = await client.connect(secret, { relayOnly });
  peer.send(0, "hello");
  const { packet } = await peer.receive({ timeoutMs: 5000 });
  console.log(`${over}: ${packet.text()}`);
}

async function demonstrate(): Promise<void> {
  await using server = await RendezvousServer.open({ hostname: "127.0.0.1" });
  const { address } = server.host;
  const secret = randomUUID();
  await using listener = await RendezvousClient.open(address, echo);
  await listener.listen(secret);
  await connect(address, secret);
  await connect(address, secret, true);
}

function parse(text: string): Address {
  const { hostname, port } = new URL(`udp://${text}`);
  return { hostname: hostname.replaceAll(/[[\]]/g, ""), port: Number(port) };
}

if (command === "server") {
  const server = await RendezvousServer.open({ port: Number(where) });
  console.log("listening on port", server.host.address.port);
} else if (command === "listen") {
  const client = await RendezvousClient.open(parse(where), echo);
  await client.listen(secret);
  console.log("listening");
} else if (command === "connect") await connect(parse(where), secret);
else await demonstrate();
