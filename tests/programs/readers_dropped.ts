/** Readers of peers that are dropped without being ended, while messages wait. Prints how many bytes count as waiting. */
import { LAYOUT } from "../../ffi/layout.ts";
import { hosts } from "../../lib/host.ts";
import { Host } from "../../mod.ts";

const { gc, Bun } = globalThis as {
  gc?: () => void;
  Bun?: { gc(force: boolean): void };
};
const collect = gc ?? (() => Bun!.gc(true));
const turn = () => new Promise((resolve) => setTimeout(resolve, 10));

let ends = 0;
await using server = await Host.listen({ hostname: "127.0.0.1" }, {
  async connect(peer, data) {
    if (data === 0) await peer[Symbol.asyncIterator]().next();
    else await peer.readable(0).getReader().read();
  },
  disconnect: () => void ends++,
});
await using client = await Host.create();
const { memory } = hosts.endpointOf(server);
const COUNT = 20;
for (let i = 0; i < COUNT; i++) {
  const peer = await client.connect(server.address, { data: i % 2 });
  for (let j = 0; j < 10; j++) peer.send(0, new Uint8Array(10_000));
  await peer.disconnectLater();
}
while (ends < COUNT) await turn();
console.log("waiting", memory.words[LAYOUT.WORD_KEPT]);
const end = performance.now() + 15_000;
// The last of them may still be on a stack.
while (memory.words[LAYOUT.WORD_KEPT] > 200_000 && performance.now() < end) {
  collect();
  await turn();
}
console.log("left", memory.words[LAYOUT.WORD_KEPT]);
