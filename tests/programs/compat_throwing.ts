/** Listeners of `lib/compat` that throw. Prints as JSON what was uncaught, and what arrived after it. */
import { once } from "node:events";
import process from "node:process";
import { createClientAsync, createServerAsync, init } from "../../lib/compat/mod.ts";

const uncaught: string[] = [];
process.on("uncaughtException", (error) => void uncaught.push(error.message));
const fail = (what: string) => () => {
  throw new Error(what);
};

const server = await createServerAsync({ address: "127.0.0.1:0" });
const client = await createClientAsync();
const received: string[] = [];
const over = Promise.withResolvers<void>();
server.on("connect", (peer) => {
  peer.on("message", fail("peer message"));
  peer.on("disconnect", () => {
    over.resolve();
    throw new Error("peer disconnect");
  });
});
server.on("connect", fail("host connect"));
server.on("message", (_peer, packet) => {
  received.push(String(packet.data()));
  throw new Error("host message");
});
server.on("telex", fail("telex"));
server.on("destroy", fail("destroy"));
server.start(5);
const { address, port } = server.address()!;
init(fail("filter"));
await client.sendAsync(address, port, "{}");
while (!uncaught.includes("filter")) await once(process, "uncaughtException");
init(() => 1);
await client.sendAsync(address, port, "{}");
const peer = await client.connectAsync({ address, port });
await peer.sendAsync(0, "first");
peer.send(0, "second", fail("send callback"));
await peer.sendAsync(0, "third");
peer.disconnectLater();
await over.promise;
client.destroy();
server.destroy();
while (!uncaught.includes("destroy")) await once(process, "uncaughtException");
console.log(JSON.stringify({ uncaught: uncaught.sort(), received }));
