/** Handlers of a WebSocket server that throw: the errors are uncaught ones, and everything else goes on. */
import process from "node:process";
import { Gateway, listenSockets, type SocketServer } from "../../lib/gateway/mod.ts";
import { Host } from "../../mod.ts";
import { describe, frame, handshake, RawClient } from "../lib/gateway/_raw.ts";

process.on("uncaughtException", (error) => console.log("uncaught", error.message));
// Deno has its own event.
globalThis.addEventListener?.("error", (event) => {
  event.preventDefault();
  console.log("uncaught", (event as ErrorEvent).error.message);
});

const server = await listenSockets({
  hostname: "127.0.0.1",
  accept({ path }) {
    if (path === "/accept") throw new Error("thrown by accept");
    return true;
  },
}, {
  message(_client, _bytes, isText) {
    if (isText) throw new Error("thrown by message");
  },
  close() {
    throw new Error("thrown by close");
  },
});
const other = await RawClient.open(server);
const client = await RawClient.open(server);
client.write(frame(1, "throw"));
console.log("got", describe((await client.next())!));
client.write(frame(8));
await client.ended();
const refused = await RawClient.connect(server);
refused.write(handshake({}, "GET /accept HTTP/1.1"));
console.log("got", await refused.head());
server.broadcast("still here");
console.log("got", describe((await other.next())!));
for (const { socket } of [other, client, refused]) socket.destroy();
await server.close();

// A hook that forgets to return something lets nobody in.
const host = await Host.listen({ hostname: "127.0.0.1" }, {});
const accept = () => undefined as unknown as boolean;
const gateway = await Gateway.listen({ host, hostname: "127.0.0.1", accept });
const asking = await RawClient.connect(gateway as unknown as SocketServer);
asking.write(handshake({ "Sec-WebSocket-Protocol": "enet.1" }));
console.log("undecided:", await asking.head());
asking.socket.destroy();
await gateway.close();
await host.close();
