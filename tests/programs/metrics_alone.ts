/** A metrics server that nobody closes. */
import { serveMetrics } from "../../lib/metrics/mod.ts";

const server = await serveMetrics([]);
console.log(new URL(server.url).hostname);
