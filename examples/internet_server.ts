/**
 * A server for the public Internet, as docs/security.md recommends it: it relays what a client says to all others,
 * and bounds what each of them can cost.
 *
 *     deno run --allow-ffi examples/internet_server.ts 7777
 *     bun examples/internet_server.ts 7777
 *     node examples/internet_server.ts 7777
 *
 * It serves until SIGINT or SIGTERM comes. Without a port it is a demonstration on the loopback address: it shows
 * what becomes of a client that floods, and ends. Clients need `checksum: "crc32"`, too.
 */
import process from "node:process";
import { DisconnectCode, Host, type Peer } from "@enetjs/enet";

const KIB = 1024;
/** The data of a disconnect of this program's own: "slow" in ASCII, as those of the library are. */
const SLOW = 0x736C6F77;

const port = process.argv[2];
await using server: Host = await Host.listen({
  hostname: port === undefined ? "127.0.0.1" : "0.0.0.0",
  port: Number(port ?? 0),
  peers: 200,
  channels: 2,
  // An attacker that cannot read a connection's datagrams cannot forge one, such as a disconnect.
  checksum: "crc32",
  // Memory: of one message, of what one client has sent, of what all have sent, of what waits for one client.
  maximumPacketSize: 16 * KIB,
  maximumWaitingData: 256 * KIB,
  maximumHostData: 32 * 1024 * KIB,
  highWaterMark: 64 * KIB,
  // Rates: an address is a household or a school, a peer is one client.
  duplicatePeers: 20,
  limits: {
    address: {
      connects: { perSecond: 5, burst: 40 },
      datagrams: { perSecond: 4000, burst: 8000 },
      bytes: { perSecond: 2000 * KIB },
    },
    peer: {
      messages: { perSecond: 100, burst: 300 },
      bytes: { perSecond: 100 * KIB, burst: 300 * KIB },
      excess: "disconnect",
    },
  },
});
console.log(`listening on ${server.address.hostname}:${server.address.port}`);

// Closing the host tells every client, and ends the loop below.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => server.close());

/** The counters that stand under one name, as `name (reason)`. */
function reasons(name: string, counters: object): [string, number][] {
  return Object.entries(counters).map(([reason, count]) => [`${name} (${reason})`, count]);
}

/** Prints every counter that is not 0, and why attempts to connect were refused. */
function report(): void {
  const { refused, security, ...counters } = server.stats;
  const all = [
    ...Object.entries(counters),
    ...reasons("refused", refused),
    ...reasons("security", security),
  ];
  const shown = all.filter(([, count]) => count !== 0);
  console.log(shown.map(([name, count]) => `${name} ${count}`).join(", "));
}
const reports = setInterval(report, 60_000);

function relay(from: Peer, channelId: number, bytes: Uint8Array): void {
  for (const peer of server.peers) {
    if (peer === from) continue;
    // `false`: more waits for it than highWaterMark, so it takes less than the others send.
    if (!peer.send(channelId, bytes)) peer.disconnectNow(SLOW);
  }
}

if (port === undefined) showFlood().finally(() => server.close());

for await (const event of server) {
  if (event.type === "receive") relay(event.peer, event.channelId, event.packet.bytes);
  if (event.type === "disconnect") console.log(`a client has left (${event.reason})`);
  if (event.type === "disconnect" && server.peers.length === 0) report();
}
clearInterval(reports);
console.log("closed");

/** A client that sends too much, and learns why it is disconnected. */
async function showFlood(): Promise<void> {
  const told = Promise.withResolvers<void>();
  await using client = await Host.create({ checksum: "crc32" }, {
    disconnect: (_peer, reason, data) => {
      console.log(reason, data === DisconnectCode.LIMIT ? "for a limit" : data);
      told.resolve();
    },
  });
  const peer = await client.connect(server.address);
  for (let i = 0; i < 1000; i++) peer.send(0, "spam");
  await told.promise;
}
