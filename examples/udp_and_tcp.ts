/**
 * A server that serves UDP and TCP at once, with the same handlers: game servers report over UDP, and
 * a tool, which has no ENet, asks over TCP.
 *
 *     deno run --allow-ffi --allow-net examples/udp_and_tcp.ts
 *     bun examples/udp_and_tcp.ts
 *     node examples/udp_and_tcp.ts
 */
import { type Connection, Messenger, type MessengerHandlers } from "@enetjs/enet/messaging";

/** The game servers that have reported, with their players. */
const players = new Map<Connection, number>();

const handlers: MessengerHandlers = {
  ready: ({ protocol }) => console.log(`somebody has connected over ${protocol}`),
  message: (connection, data) => void players.set(connection, Number(data.text())),
  request: ({ data }) => {
    if (data.text() !== "players?") throw new Error(`"${data.text()}" is no question`);
    return `${players.values().reduce((sum, count) => sum + count, 0)} on ${players.size} servers`;
  },
  closed(connection, { reason }) {
    players.delete(connection);
    console.log(`a connection over ${connection.protocol} has ended: ${reason}`);
  },
};

await using udp = await Messenger.listen("udp://127.0.0.1:0", {}, handlers);
await using tcp = await Messenger.listen("tcp://127.0.0.1:0", { connections: 8 }, handlers);

await using tool = await Messenger.connect(tcp.address);
const servers = await Promise.all([1, 2].map(() => Messenger.connect(udp.address)));
for (const [i, server] of servers.entries()) {
  server.send(String(10 * (i + 1)));
  await server.get("players?"); // Its reply says that the message before it has been taken.
}
console.log((await tool.get("players?")).text()); // 30 on 2 servers
