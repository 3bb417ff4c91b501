/** What packets do where pointers are not permitted: the same, by copies. Prints `done`. */
import assert from "node:assert/strict";
import { diagnostics, Host, Packet } from "../../mod.ts";

const SIZE = 200_000;
const kept: Packet[] = [];
{
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    receive(peer, channelId, packet) {
      assert.equal(packet.view[0], 7);
      kept.push(packet.retain());
      peer.send(channelId, packet);
    },
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const packet = Packet.alloc(SIZE);
  packet.view.fill(7);
  peer.send(0, packet);
  const shared = new Uint8Array(new SharedArrayBuffer(SIZE)).fill(7);
  using share = Packet.from(shared, { ownership: "share" });
  peer.send(1, share);
  let echoed = 0;
  for await (const { packet } of peer) {
    assert.equal(packet.view.length, SIZE);
    assert.equal(new Uint8Array(packet.arrayBuffer)[SIZE - 1], 7);
    assert.ok(packet.pointer > 0n);
    if (++echoed === 2) break;
  }
}
for (const packet of kept) {
  assert.equal(packet.view[SIZE - 1], 7);
  packet.dispose();
}
assert.equal((await diagnostics()).packets, 0);
console.log("done");
