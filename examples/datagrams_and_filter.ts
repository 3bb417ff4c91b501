/**
 * Plain UDP beside ENet, on one socket: a server answers status queries of a server browser, which
 * need no connection. Then its address filter shuts the asker out.
 *
 *     deno run --allow-ffi examples/datagrams_and_filter.ts
 *     bun examples/datagrams_and_filter.ts
 *     node examples/datagrams_and_filter.ts
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Host } from "@enetjs/enet";

await using server: Host = await Host.listen({
  hostname: "127.0.0.1",
  peers: 32,
  datagrams: true, // else what is not ENet's is dropped
  filter: { allow: ["127.0.0.0/8", "10.0.0.0/8"] },
}, {
  datagram(address, packet) {
    console.log(`server got "${packet.text()}" from ${address.hostname}`);
    // A short answer to a long question: one that is longer could be abused to flood a third party.
    if (packet.length >= 16) server.sendDatagram(address, `${server.peers.length}/32`);
  },
});

let answers = 0;
await using browser = await Host.create({ datagrams: true }, {
  datagram(_address, packet) {
    console.log(`browser got "${packet.text()}"`);
    answers++;
  },
});

async function ask(): Promise<boolean> {
  const before = answers;
  for (let attempt = 0; attempt < 3 && answers === before; attempt++) {
    browser.sendDatagram(server.address, "status".padEnd(16)); // may get lost: ask again
    await sleep(100);
  }
  return answers > before;
}

const first = await ask();
server.filter = { deny: ["127.0.0.1"] };
const second = await ask();
console.log(`denied datagrams: ${server.stats.filtered}`);
process.exitCode = first && !second ? 0 : 1;
