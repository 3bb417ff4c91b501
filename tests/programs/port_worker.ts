/**
 * A worker of a shared port, as a process (the name is its argument) or as a Worker (the name is its data). It sends
 * every message back, with its mark before it.
 */
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { Host, PacketFlag } from "../../mod.ts";

const [sharedPort, mark] = parentPort === null ? process.argv.slice(2) : workerData as string[];
const encoder = new TextEncoder();
const host = await Host.listen({ sharedPort }, {
  receive: (peer, channelId, packet) =>
    void peer.send(channelId, encoder.encode(`${mark} ${packet.text()}`), PacketFlag.RELIABLE),
});
if (parentPort === null) console.log(`port ${host.address.port}`);
else parentPort.postMessage(host.address.port);
