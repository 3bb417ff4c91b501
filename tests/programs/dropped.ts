/** Hosts that are dropped without being closed, with connections and without. Prints what is left. */
import { diagnostics, Host } from "../../mod.ts";

const { gc, Bun } = globalThis as {
  gc?: () => void;
  Bun?: { gc(force: boolean): void };
};
const collect = gc ?? (() => Bun!.gc(true));
const turn = () => new Promise((resolve) => setTimeout(resolve, 10));

async function drop(): Promise<void> {
  await Host.create();
  await Host.listen({ hostname: "127.0.0.1", pump: false });
  const server = await Host.listen({ hostname: "127.0.0.1" });
  const client = await Host.create();
  const peer = await client.connect(server.address);
  const room = client.group();
  room.add(peer);
  peer.data = { room, empty: client.group() };
  await peer.deliver(0, new Uint8Array(100_000));
  for await (const event of server) if (event.type === "receive") break;
}

for (let i = 0; i < 5; i++) await drop();
console.log("open", (await diagnostics()).hosts);
const end = performance.now() + 15_000;
while ((await diagnostics()).hosts > 0 && performance.now() < end) {
  collect();
  await turn();
}
console.log("left", JSON.stringify(await diagnostics()));
