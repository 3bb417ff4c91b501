/**
 * A client of the rendezvous server in `examples/`, for a namespace of its own.
 *
 *     listen SERVER SECRET      prints "listening" and sends back what it gets
 *     connect SERVER SECRET…    connects to all of them at once; prints the secret and the way of each
 */
import process from "node:process";
import { RendezvousClient } from "../../examples/rendezvous/client.ts";

const [command, where, ...secrets] = process.argv.slice(2);
const [hostname, port] = where.split(":");

const server = { hostname, port: Number(port) };

if (command === "listen") {
  await using client = await RendezvousClient.open(server, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  await client.listen(secrets[0]);
  console.log("listening");
  await new Promise<void>((resolve) => process.stdin.once("end", resolve).resume());
} else {
  await using client = await RendezvousClient.open(server);
  await Promise.all(secrets.map(async (secret) => {
    const { peer, over } = await client.connect(secret, { timeoutMs: 120_000 });
    peer.send(0, secret);
    const { packet } = await peer.receive({ timeoutMs: 60_000 });
    console.log(`${packet.text()} ${over}`);
  }));
}
