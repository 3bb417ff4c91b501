/**
 * A chat with rooms. A room is a group: one call sends a message to all of its members, and a member that
 * disconnects leaves it.
 *
 *     deno run --allow-ffi examples/rooms.ts
 *     bun examples/rooms.ts
 *     node examples/rooms.ts
 *
 * A client connects with the number of a room, and everything that it sends is for that room.
 */
import { type Group, Host, PacketFlag } from "@enetjs/enet";

const rooms = new Map<number, Group>();

function roomNumber(number: number): Group {
  const room = rooms.get(number) ?? server.group();
  rooms.set(number, room);
  return room;
}

const server: Host<number> = await Host.listen<number>({ hostname: "127.0.0.1", channels: 1 }, {
  connect(peer, number) {
    peer.data = number;
    const room = roomNumber(number);
    room.add(peer);
    room.send(0, `* ${room.size} in room ${number}`);
  },
  receive(peer, _channelId, packet) {
    const room = roomNumber(peer.data);
    // Sent on as it was received, to all but its sender.
    room.send(0, packet, PacketFlag.RELIABLE, { except: peer });
  },
  disconnect({ data: number }) {
    const room = roomNumber(number);
    if (room.size === 0) rooms.delete(number);
    else room.send(0, `* ${room.size} in room ${number}`);
  },
});

/** Enters a room, answers some lines, and leaves after a "Bye". */
async function enter(name: string, number: number, answers: Record<string, string>) {
  await using host = await Host.create();
  const peer = await host.connect(server.address, { channels: 1, data: number });
  for await (const { packet } of peer) {
    const line = packet.text();
    console.log(`${name} reads: ${line}`);
    const answer = answers[line];
    if (answer !== undefined) peer.send(0, answer);
    if (line === "Bye" || answer === "Bye") peer.disconnectLater();
  }
}

await Promise.all([
  enter("Ada", 1, { "* 2 in room 1": "Who are you?", "I am Grace": "Bye" }),
  enter("Grace", 1, { "Who are you?": "I am Grace" }),
  enter("Alan", 2, { "* 1 in room 2": "Bye" }),
]);
await server.close();
