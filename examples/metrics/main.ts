/**
 * A server whose metrics Prometheus reads and people watch: the page at the address that it prints.
 *
 *     deno run --allow-ffi --allow-net examples/metrics/main.ts
 *     bun examples/metrics/main.ts
 *     node examples/metrics/main.ts
 *
 * Clients of this process make the traffic. It runs for 2 seconds; an argument gives another number. Meanwhile
 * `deno task enet top http://127.0.0.1:9464/` shows the same in a terminal, with the port that it prints.
 */
import process from "node:process";
import { Host, LinkQuality } from "@enetjs/enet";
import { metrics, serveMetrics } from "@enetjs/enet/metrics";

const seconds = Number(process.argv[2] ?? 2);
const CLIENTS = 8;

await using server: Host = await Host.listen(
  { hostname: "127.0.0.1", conditions: LinkQuality.GOOD },
  { receive: (peer, channelId, packet) => void peer.send(channelId, packet) },
);

/** What a program counts itself comes beside the host. */
const game = () => [{
  name: "game_players",
  type: "gauge" as const,
  help: "Players by team",
  samples: ["red", "blue"].map((team, index) => ({
    labels: { team },
    value: server.peers.filter(({ id }) => id % 2 === index).length,
  })),
}];

// With a token it may listen on every interface.
await using page = await serveMetrics([server, game], { port: Number(process.argv[3] ?? 0) });
console.log("page:", page.url);
console.log("text for Prometheus:", `${page.url}metrics`);

await using clients = await Host.create({ peers: CLIENTS }, {
  // Every answer causes the next message; the traffic never ends by itself.
  receive: (peer, channelId, packet) => void peer.send(channelId, packet),
});
for (let i = 0; i < CLIENTS; i++) {
  const peer = await clients.connect(server.address);
  peer.send(0, new Uint8Array(50 * 2 ** i));
}

await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
for (const line of metrics([server, game]).split("\n")) {
  if (/^(enet_host_(peers|sent_bytes|peer_round_trip_seconds_g)|game_)/.test(line)) {
    console.log(line);
  }
}
