/* What ENETJS_DEBUG=1 says of unreliable messages that are sent reliably. */
import { Host, PacketFlag } from "../../mod.ts";

const server = await Host.listen({ hostname: "127.0.0.1" });
const hosts = [await Host.create(), await Host.create()];
for (const host of hosts) {
  const peer = await host.connect(server.address);
  peer.send(0, new Uint8Array(5000)); // reliable
  peer.send(0, new Uint8Array(5000), PacketFlag.UNRELIABLE_FRAGMENT);
  await peer.deliver(0, "the connection is confirmed");
  peer.send(0, new Uint8Array(1372), PacketFlag.UNRELIABLE);
  await peer.deliver(0, "nothing to warn of so far");
  console.warn("now");
  peer.send(0, new Uint8Array(1373), PacketFlag.UNRELIABLE);
  peer.send(0, new Uint8Array(1500), PacketFlag.UNSEQUENCED);
  host.broadcast(0, new Uint8Array(5000), PacketFlag.UNRELIABLE);
  await peer.deliver(0, "and the last");
  console.log(peer.stats.unreliableSentReliably);
}
for (const host of hosts) await host.close();
await server.close();
