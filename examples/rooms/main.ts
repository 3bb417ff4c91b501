/**
 * A chat with rooms on two hosts, in one process: the members of a room are on both. `README.md` has it in several
 * processes.
 *
 *     deno run --allow-ffi examples/rooms/main.ts
 *     bun examples/rooms/main.ts
 *     node examples/rooms/main.ts
 *
 * A client sends the name of a room first. Everything else that it sends is for that room.
 */
import { type Address, Host } from "@enetjs/enet";
import { isName, memory, Rooms } from "@enetjs/enet/rooms";

const backplane = memory();

/** Opens a host, whose rooms are those of all hosts on the backplane. */
async function listen() {
  const host = await Host.listen<string | undefined>({ hostname: "127.0.0.1", channels: 1 }, {
    receive(peer, _channelId, packet) {
      const room = peer.data;
      // Sent on as it was received, to all but its sender.
      if (room !== undefined) return void rooms.to(room).except(peer).send(0, packet);
      const name = packet.text();
      if (!isName(name)) return void peer.disconnect();
      peer.data = name;
      rooms.join(peer, name);
    },
  });
  const rooms = new Rooms(host, { backplane }, {
    joined({ room }) {
      const here = rooms.members(room).flatMap(({ peer }) => peer ?? []);
      for (const peer of here) peer.send(0, `* ${rooms.members(room).length} in ${room}`);
    },
  });
  await rooms.ready;
  return host;
}

/** Enters a room, answers some lines, and leaves after a "Bye". */
async function enter(
  name: string,
  address: Address,
  room: string,
  answers: Record<string, string>,
) {
  await using host = await Host.create();
  const peer = await host.connect(address, { channels: 1 });
  peer.send(0, room);
  for await (const { packet } of peer) {
    const line = packet.text();
    console.log(`${name} reads: ${line}`);
    const answer = answers[line];
    if (answer !== undefined) peer.send(0, answer);
    if (line === "Bye" || answer === "Bye") peer.disconnectLater();
  }
}

await using north = await listen();
await using south = await listen();
await Promise.all([
  enter("Ada", north.address, "tea", { "* 2 in tea": "Who are you?", "I am Grace": "Bye" }),
  enter("Grace", south.address, "tea", { "Who are you?": "I am Grace" }),
  enter("Alan", south.address, "logic", { "* 1 in logic": "Bye" }),
]);
