/**
 * Two clients that talk to each other, each at a server of its own. See README.md.
 *
 *     bun examples/rooms/chat.ts PORT PORT
 */
import process from "node:process";
import { Host } from "@enetjs/enet";

const [first = "7001", second = first] = process.argv.slice(2);
await using host = await Host.create();

/** Enters a room, and answers lines that end with a text. */
async function enter(name: string, port: string, answers: Record<string, string>) {
  const peer = await host.connect(`127.0.0.1:${port}`, { channels: 1 });
  peer.send(0, `${name} tea`);
  for await (const { packet } of peer) {
    const line = packet.text();
    console.log(`${name} reads: ${line}`);
    const [, answer] = Object.entries(answers).find(([end]) => line.endsWith(end)) ?? [];
    if (answer !== undefined) peer.send(0, answer);
    if (answer === "Bye" || line.endsWith("Bye")) peer.disconnectLater();
  }
}

await Promise.all([
  enter("Ada", first, { "Grace has come": "/tell Grace Who are you?", "I am Grace": "Bye" }),
  enter("Grace", second, { "Who are you?": "I am Grace" }),
]);
