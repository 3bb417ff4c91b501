/** A host whose metrics go to OpenTelemetry, until the process is ended. */
import { observeMetrics } from "../../lib/metrics/mod.ts";
import { Host } from "../../mod.ts";

const host = await Host.listen({ hostname: "127.0.0.1" }, {});
await observeMetrics(host);
