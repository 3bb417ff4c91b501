// Prints what becomes of hosts; connects to the port that is given.
import { createServerAsync } from "../../lib/compat/mod.ts";
import { ENetError, Host } from "../../mod.ts";
import process from "node:process";

async function outcome(open: () => Promise<Host>): Promise<string> {
  try {
    await using _host = await open();
    return "open";
  } catch (error) {
    if (!(error instanceof ENetError)) throw error;
    return `${error.code} ${error.message}`;
  }
}

const hostname = "127.0.0.1";
const listen = await outcome(() => Host.listen({ hostname }));
const refused = await outcome(() => Host.listen({ hostname, unguarded: false }));
const accepted = await outcome(() => Host.listen({ hostname, unguarded: true }));
const compat = await createServerAsync({ address: hostname }).then((host) => {
  host.destroy();
  return "open";
}, (error) => error.code);
using server = await createServerAsync({ address: hostname, unguarded: true });
await using client = await Host.create();
const peer = await client.connect({ hostname, port: Number(process.argv[2]) });
await peer.deliver(0, "from a client");
await peer.disconnect();
console.log(
  JSON.stringify({ listen, refused, accepted, compat, port: server.address()!.port > 0 }),
);
