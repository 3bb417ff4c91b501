/**
 * A chat: a server that passes every line on to everybody, and a client that reads the keyboard.
 *
 *     deno run --allow-ffi examples/chat.ts server 7777
 *     deno run --allow-ffi examples/chat.ts client 7777 Ada
 *
 *     bun examples/chat.ts …
 *     node examples/chat.ts …
 *
 * Without arguments it plays a short conversation by itself.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { Host, type Peer } from "@enetjs/enet";

/** The server needs no loop: the host calls these functions as things happen. */
async function startServer(port: number): Promise<Host> {
  const server: Host = await Host.listen({ hostname: "127.0.0.1", port, channels: 1 }, {
    receive(peer, _channelId, packet) {
      const text = packet.text();
      if (peer.data === undefined) { // The first message is the name.
        peer.data = text.slice(0, 20);
        server.broadcast(0, `* ${peer.data} is here`);
      } else {
        server.broadcast(0, `${peer.data}: ${text.slice(0, 500)}`);
      }
    },
    disconnect(peer, reason) {
      if (peer.data !== undefined) server.broadcast(0, `* ${peer.data} has left (${reason})`);
    },
  });
  return server;
}

async function join(host: Host, port: number, name: string): Promise<Peer> {
  const peer = await host.connect({ hostname: "127.0.0.1", port }, { channels: 1 });
  peer.send(0, name);
  return peer;
}

async function serve(port: number): Promise<void> {
  const server = await startServer(port);
  console.log(`chat on port ${server.address.port}`);
  process.once("SIGINT", () => server.close());
}

async function talk(port: number, name: string): Promise<void> {
  await using host = await Host.create();
  const peer = await join(host, port, name);
  const keyboard = createInterface({ input: process.stdin });
  keyboard.on("line", (line) => void peer.send(0, line));
  keyboard.on("close", () => void peer.disconnectLater());
  for await (const { packet } of peer) console.log(packet.text());
  keyboard.close();
}

async function playByItself(): Promise<void> {
  await using server = await startServer(0);
  const { port } = server.address;
  await using host = await Host.create();
  const ada = await join(host, port, "Ada");
  const grace = await join(host, port, "Grace");
  setTimeout(() => ada.send(0, "Hello Grace"), 50);
  for await (const { packet } of grace) {
    console.log(packet.text());
    if (packet.text() === "Ada: Hello Grace") ada.disconnectLater();
    if (packet.text().startsWith("* Ada has left")) break;
  }
}

const [role, port, name = "somebody"] = process.argv.slice(2);
if (role === "server") await serve(Number(port ?? 7777));
else if (role === "client") await talk(Number(port ?? 7777), name);
else await playByItself();
