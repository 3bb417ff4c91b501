import { boolean, options as checkOptions } from "../internal/validate.ts";
import { type MetricSources, Sources } from "./sources.ts";
import { metricsText } from "./text.ts";

/** How metrics are told. */
export interface MetricsOptions {
  /**
   * Whether each peer has samples of its own, beside the histograms over all peers of a host: `enet_peer_…` with the
   * labels `peer` and `address`. A monitoring system keeps a series for each, also of peers that have left, so this is
   * for hosts of a few dozen peers. Default false.
   */
  readonly peers?: boolean;
}

/** Checks {@linkcode MetricsOptions}. */
export function planMetrics(options: MetricsOptions): Required<MetricsOptions> {
  checkOptions(options, "options", ["peers"]);
  const { peers = false } = options;
  return { peers: boolean(peers, "peers") };
}

/**
 * What hosts and other sources tell now, as OpenMetrics text, which Prometheus and others read. Its media type is
 * `application/openmetrics-text; version=1.0.0; charset=utf-8`. {@linkcode serveMetrics} answers with it.
 *
 * Nothing is counted for it in between. It takes about 1 µs for each peer, and about 8 with `peers`.
 *
 * @param sources a host, another source, or several
 * @param options whether each peer has samples of its own
 * @returns the text
 * @throws {TypeError} for what is no source, an unknown option, or a name that is none
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { metrics } from "@enetjs/enet/metrics";
 *
 * await using host = await Host.listen({ hostname: "127.0.0.1", port: 0 });
 * const text = metrics(host);
 * console.log(text.includes("# TYPE enet_host_peers gauge\n")); // true
 * ```
 */
export function metrics(sources: MetricSources, options: MetricsOptions = {}): string {
  const { peers } = planMetrics(options);
  return metricsText(new Sources(sources).families(peers));
}
