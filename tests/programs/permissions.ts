/** Echoes a small and a large message between two hosts; prints what came back, or the error's code. */
import { ENetError, Host } from "../../mod.ts";

async function echo(): Promise<void> {
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const sent = [new Uint8Array([1, 2, 3]), new Uint8Array(2 ** 20).fill(7)];
  for (const bytes of sent) peer.send(0, bytes);
  for await (const { packet } of peer) {
    const bytes = sent.shift()!;
    if (packet.length !== bytes.length || !packet.bytes.every((byte, i) => byte === bytes[i])) {
      throw new Error("the echo differs");
    }
    console.log(`echo ${packet.length}`);
    if (sent.length === 0) break;
  }
  await peer.deliver(0, "bye");
  for await (const { packet } of peer) {
    console.log(packet.text());
    break;
  }
}

try {
  await echo();
} catch (error) {
  if (!(error instanceof ENetError)) throw error;
  console.log(error.code);
  console.log(error.message);
}
