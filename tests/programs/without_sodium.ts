/**
 * Where libsodium can't be loaded: prints what plain connections do, and the errors of encrypted ones, as a line of
 * JSON.
 */
import { type ENetError, Host, versions } from "../../mod.ts";
import { generateKeyPair } from "../../lib/security/mod.ts";

const hostname = "127.0.0.1";
const keyPair = await generateKeyPair();
const security = { serverKey: keyPair.publicKey };

const failure = async (promise: Promise<unknown>) => {
  const { name, code, message } = await promise.then(() => ({} as ENetError), (error) => error);
  return { name, code, message };
};

const { libsodium } = await versions();
const listen = await failure(Host.listen({ hostname, security: { keyPair } }));
await using server = await Host.listen({ hostname }, {
  receive: (peer, channelId, packet) => void peer.send(channelId, packet),
});
await using client = await Host.create();
const connect = await failure(client.connect(server.address, { security }));
const peer = await client.connect(server.address);
peer.send(0, "plain");
const echo = (await peer.receive()).packet.text();
console.log(JSON.stringify({ libsodium: libsodium ?? null, listen, connect, echo }));
