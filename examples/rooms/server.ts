/**
 * A chat server, of which several share their rooms through NATS. See README.md.
 *
 *     bun examples/rooms/server.ts PORT
 *
 * It uses the nats-server on port 4222 of this machine, or the environment's `NATS_PORT`. If there is none, it starts one,
 * which ends with it.
 */
import process from "node:process";
import { Host, type Peer } from "@enetjs/enet";
import { isName, nats, redirect, Rooms } from "@enetjs/enet/rooms";
import { useNats } from "./nats_server.ts";

const port = Number(process.argv[2] ?? 7001);
const natsServer = await useNats(Number(process.env.NATS_PORT ?? 4222));

interface Login {
  name: string;
  room: string;
}

/** What a client has sent first, if it is a login. */
function readLogin(text: string): Login | undefined {
  const [name, room, ...rest] = text.split(" ");
  return isName(name) && isName(room) && rest.length === 0 ? { name, room } : undefined;
}

function login(peer: Peer<Login>, text: string) {
  const given = readLogin(text);
  if (given === undefined) return void peer.disconnect(400);
  peer.data = given;
  rooms.identify(peer, given.name);
  rooms.join(peer, given.room, { presence: { name: given.name } });
}

async function command(peer: Peer<Login>, text: string) {
  const [what, to, ...words] = text.slice(1).split(" ");
  if (what === "tell" && isName(to)) {
    rooms.toUser(to).send(0, `(${peer.data.name}) ${words.join(" ")}`);
  } else if (what === "go" && isName(to)) await redirect(peer, rooms.host(to).address ?? address);
  else peer.send(0, "commands: /tell NAME TEXT, /go ROOM");
}

const host = await Host.listen<Login>({ hostname: "127.0.0.1", port, channels: 1 }, {
  receive(peer, _channelId, packet) {
    const text = packet.text();
    if (peer.data === undefined) return login(peer, text);
    if (text.startsWith("/")) return void command(peer, text);
    rooms.to(peer.data.room).send(0, `${peer.data.name}: ${text}`);
  },
});

const address = `127.0.0.1:${host.address.port}`;
const rooms = new Rooms<{ name: string }>(host, {
  address,
  backplane: nats({ servers: natsServer.address }),
  limits: { messageBytes: 1024, messages: { perSecond: 100 } },
}, {
  joined: ({ room, member }) => tellHere(room, `* ${member.presence.name} has come`),
  left: ({ room, member, reason }) =>
    tellHere(room, `* ${member.presence.name} has left: ${reason}`),
  link: ({ up }) => console.log(up ? "linked again" : "the link to NATS is down"),
});

/** Every host sees all members come and go, so each tells its own peers. */
function tellHere(room: string, text: string) {
  for (const { peer } of rooms.members(room)) peer?.send(0, text);
}

await rooms.ready;
console.log(`listening on ${address}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await rooms.close();
    await host.close();
    natsServer.stop();
    process.exit(0);
  });
}
