/** A worker with a host whose events nobody takes; posts its port, and then how many peers it has. */
import { parentPort } from "node:worker_threads";
import { Host } from "../../mod.ts";

const host = await Host.listen({ hostname: "127.0.0.1" });
parentPort?.postMessage({ port: host.address.port });
setInterval(() => parentPort?.postMessage({ peers: host.stats.connectedPeers }), 10);
