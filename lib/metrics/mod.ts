/**
 * Metrics of hosts: text for Prometheus, instruments of OpenTelemetry, and a server with a live page.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { metrics } from "@enetjs/enet/metrics";
 *
 * await using host = await Host.listen({ hostname: "127.0.0.1", port: 0 });
 * console.log(metrics(host).endsWith("# EOF\n")); // true
 * ```
 *
 * @module
 */
export { ENetError, type ENetErrorCode } from "../errors.ts";
export type { Distribution, MetricFamily, MetricSample } from "./family.ts";
export type { OpenTelemetryMeter } from "./_opentelemetry.ts";
export { metrics, type MetricsOptions } from "./metrics.ts";
export { observeMetrics, type ObserveOptions } from "./observe.ts";
export { type RoomsCounters, roomsMetrics } from "./rooms.ts";
export { type MetricsServer, serveMetrics } from "./serve.ts";
export type { ServeMetricsOptions } from "./serve_options.ts";
export {
  labelled,
  type MetricCollector,
  type MetricSource,
  type MetricSources,
} from "./sources.ts";
