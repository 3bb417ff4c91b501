/**
 * A host with rooms over NATS and three clients, which does what its stdin says: `join PEER ROOM PRESENCE`, `leave PEER
 * ROOM`, `send ROOM TEXT`, `view N`. It prints what it sees, and what is wrong. Arguments: the servers.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { Host, type Peer } from "@enetjs/enet";
import { nats, Rooms } from "@enetjs/enet/rooms";

const servers = process.argv.slice(2);
const joined = new Set<string>();
const faults: string[] = [];
const peers: Peer[] = [];

const host = await Host.listen({ hostname: "127.0.0.1" }, {
  connect: (peer) => void peers.push(peer),
});
const rooms = new Rooms(host, { backplane: nats({ servers }) }, {
  joined({ room, member }) {
    const key = `${room} ${member.id}`;
    if (joined.has(key)) faults.push(`${key} has joined twice`);
    joined.add(key);
  },
  left({ room, member, reason }) {
    const key = `${room} ${member.id}`;
    if (!joined.delete(key)) faults.push(`${key} has left and was not there`);
    console.log(`left ${reason} ${key}`);
  },
  link: ({ up }) => console.log(`link ${up}`),
});
await rooms.ready;

const client = await Host.create();
for (let i = 0; i < 3; i++) {
  const server = await client.connect(host.address);
  void (async () => {
    for await (const { packet } of server) console.log(`got ${i} ${packet.text()}`);
  })();
}
while (peers.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
console.log(`id ${rooms.id}`);

const view = () =>
  rooms.names().flatMap((room) =>
    rooms.members(room).map(({ id, presence }) => `${room} ${id} ${presence}`)
  ).sort();

const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  const [what, first, second, third] = line.split(" ");
  if (what === "join") rooms.join(peers[Number(first) - 1], second, { presence: Number(third) });
  else if (what === "leave") rooms.leave(peers[Number(first) - 1], second);
  else if (what === "send") rooms.to(first).send(0, second);
  else {console.log(
      `view ${first} ${JSON.stringify({ view: view(), joined: [...joined].sort(), faults })}`,
    );}
}
process.exit(0);
