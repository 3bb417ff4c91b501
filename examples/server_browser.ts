/**
 * A list of the servers on this network, which keeps itself up to date. Two servers come and change beside it, so that
 * there is something to see; give it a number of seconds to look for those of other processes, too.
 *
 *     deno run --allow-ffi --allow-net --allow-sys=networkInterfaces examples/server_browser.ts 60
 *     bun examples/server_browser.ts 60
 *     node examples/server_browser.ts 60
 */
import process from "node:process";
import { Host } from "@enetjs/enet";
import { announce, discover, type DiscoveredServer } from "@enetjs/enet/discovery";

/** Which game it is. Servers of other games, or of other versions of this one, are not found. */
const GAME = { game: "enetjs-server-browser", version: 1 };
const seconds = Number(process.argv[2] ?? 2);
/** Other processes of this machine may run the same example. */
const mine = `Alice's game ${process.pid}`;

/** A game that can be found. */
async function openGame(name: string, map: string) {
  const host = await Host.listen({ peers: 8 }, {});
  const announcement = await announce(host, { ...GAME, name, data: JSON.stringify({ map }) });
  return { host, announcement };
}

/** The map of a server. What strangers tell may be anything. */
function mapOf({ data }: DiscoveredServer): string {
  try {
    const { map } = JSON.parse(new TextDecoder().decode(data));
    return typeof map === "string" && /^[a-z]{1,16}$/.test(map) ? map : "?";
  } catch {
    return "?";
  }
}

function show(servers: Iterable<DiscoveredServer>): void {
  console.log("name                 map        peers   ping");
  for (const server of servers) {
    const { name, peers, maximumPeers, roundTripMs } = server;
    const cells = [name.padEnd(20), mapOf(server).padEnd(10), `${peers}/${maximumPeers}`.padEnd(7)];
    console.log(cells.join(" "), `${Math.ceil(roundTripMs)} ms`);
  }
}

const { host, announcement } = await openGame(mine, "harbour");
const { host: other } = await openGame(`Bob's game ${process.pid}`, "canyon");
setTimeout(() => announcement.data = JSON.stringify({ map: "forest" }), 500);

const servers = new Map<string, DiscoveredServer>();
for await (const server of discover({ ...GAME, timeoutMs: seconds * 1000 })) {
  console.log(`${server.status}: ${server.name}`);
  if (server.status === "lost") servers.delete(server.id);
  else servers.set(server.id, server);
  show(servers.values());
}

// Any of them can be connected to.
const chosen = [...servers.values()].find(({ name }) => name === mine);
if (chosen !== undefined) {
  await using client = await Host.create();
  const peer = await client.connect(chosen.address);
  console.log(`connected to ${chosen.name}`);
  await peer.disconnect();
}
await Promise.all([host.close(), other.close()]); // their announcements end, too
