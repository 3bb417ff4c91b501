/**
 * Watches a server at work: one line per peer and interval, from `peer.stats` and `host.stats`.
 *
 *     deno run --allow-ffi examples/stats_monitor.ts
 *     bun examples/stats_monitor.ts
 *     node examples/stats_monitor.ts
 *
 * Two clients of this process make the traffic. It watches for 2 seconds; an argument gives another
 * number.
 */
import process from "node:process";
import { Host } from "@enetjs/enet";

const INTERVAL_MS = 500;
const seconds = Number(process.argv[2] ?? 2);

await using server: Host = await Host.listen({ hostname: "127.0.0.1" }, {
  receive: (peer, channelId, packet) => peer.send(channelId, packet),
});

await using clients = await Host.create({}, {
  // Every answer causes the next message; the traffic never ends by itself.
  receive: (peer, channelId, packet) => peer.send(channelId, packet),
});
for (const size of [100, 10_000]) {
  const peer = await clients.connect(server.address);
  peer.send(0, new Uint8Array(size));
}

function row(cells: (string | number)[]): string {
  return cells.map((cell) => String(cell).padStart(11)).join("");
}

function print(): void {
  console.log(row(["peer", "state", "RTT ms", "loss %", "in transit", "queued"]));
  for (const peer of server.peers) {
    const { state, roundTripTimeMs, packetLoss, reliableDataInTransit, queuedBytes } = peer.stats;
    const loss = (packetLoss * 100).toFixed(1);
    const { port } = peer.address;
    console.log(row([port, state, roundTripTimeMs, loss, reliableDataInTransit, queuedBytes]));
  }
  const { totalReceivedPackets, totalSentPackets, backPressure, pumpServices } = server.stats;
  console.log(
    `host: ${totalReceivedPackets} datagrams in, ${totalSentPackets} out, ` +
      `back-pressure ${backPressure}, serviced by the pump ${pumpServices}\n`,
  );
}

const timer = setInterval(print, INTERVAL_MS);
await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
clearInterval(timer);
