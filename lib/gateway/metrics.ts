/**
 * What the gateway counts, as Prometheus reads it.
 *
 * @module
 */
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { hostAndPort } from "../internal/ip.ts";
import type { WebRtcStats } from "./rtc_server.ts";
import type { SocketServerStats } from "./socket/contract.ts";

/** Of a gateway, what concerns its browsers. */
interface BrowserStats {
  readonly browsers: number;
  readonly refused: object;
  readonly webrtc: WebRtcStats | undefined;
}

/** A number, or several with a label. */
export interface Metric {
  /** Without the prefix `enet_gateway_`, and without `_total`. */
  readonly name: string;
  /** What it is, in one line. */
  readonly help: string;
  /** The number; or one for each value of the label. */
  readonly value: number | Readonly<Record<string, number>>;
  /** The name of the label, with several numbers. */
  readonly label?: string;
  /** Whether it may fall. Otherwise it is a counter. */
  readonly isGauge?: boolean;
  /** Whether it counts what was lost: the command reports that at its end. */
  readonly isLoss?: boolean;
}

/** What a server counts. */
export function serverMetrics(stats: SocketServerStats): Metric[] {
  const gauge = (name: string, help: string, value: number): Metric => ({
    ...{ name, help, value },
    isGauge: true,
  });
  return [
    gauge("clients", "Clients that are open or closing", stats.clients),
    gauge("handshakes", "Handshakes under way", stats.handshaking),
    { name: "opened", help: "Clients whose handshake was done", value: stats.opened },
    { name: "refused", help: "Refused handshakes", value: stats.refused, label: "status" },
    { name: "abandoned", help: "Handshakes without an answer", value: stats.abandoned },
    { name: "received_messages", help: "Messages from clients", value: stats.received },
    { name: "received_bytes", help: "Bytes of these", value: stats.receivedBytes },
    { name: "sent_messages", help: "Messages queued for clients", value: stats.sent },
    { name: "sent_bytes", help: "Bytes of these", value: stats.sentBytes },
    {
      name: "dropped_messages",
      help: "Messages dropped for slow clients",
      value: stats.dropped,
      isLoss: true,
    },
    {
      name: "replaced_messages",
      help: "Messages that a newer one replaced",
      value: stats.replaced,
    },
    { name: "closed_slow", help: "Clients closed for being slow", value: stats.closedSlow },
    { name: "faults", help: "Clients closed for a fault", value: stats.faults, label: "code" },
    { name: "timed_out", help: "Clients ended for their silence", value: stats.timedOut },
  ];
}

/** What a gateway before an ENet server counts beside them. */
export function browserMetrics({ browsers, refused, webrtc }: BrowserStats): Metric[] {
  return [
    { name: "browsers", help: "Browsers that are connected", value: browsers, isGauge: true },
    {
      name: "refused_browsers",
      help: "Browsers not let in",
      value: { ...refused },
      label: "cause",
    },
    ...webrtc === undefined ? [] : rtcMetrics(webrtc),
  ];
}

function rtcMetrics({ open, offers, opened, declined, failed }: WebRtcStats): Metric[] {
  return [
    { name: "webrtc_channels", help: "Data channels that are open", value: open, isGauge: true },
    { name: "webrtc_offers", help: "Data channels that browsers offered", value: offers },
    {
      name: "webrtc_negotiations",
      help: "What became of these",
      value: { opened, declined, failed },
      label: "end",
    },
  ];
}

/** The text that Prometheus reads, format version 0.0.4. */
export function metricsText(metrics: readonly Metric[]): string {
  return metrics.map(({ name, help, value, label, isGauge = false }) => {
    const full = `enet_gateway_${name}${isGauge ? "" : "_total"}`;
    const samples = typeof value === "number"
      ? [`${full} ${value}\n`]
      : Object.entries(value).map(([key, number]) => `${full}{${label}="${key}"} ${number}\n`);
    return `# HELP ${full} ${help}\n# TYPE ${full} ${isGauge ? "gauge" : "counter"}\n` +
      samples.join("");
  }).join("");
}

/** A server of metrics, until it is disposed of. */
export class MetricsServer implements Disposable {
  readonly #server: Server;
  /** `http://127.0.0.1:9100/metrics` */
  readonly url: string;

  private constructor(server: Server, hostname: string) {
    this.#server = server;
    const { port } = server.address() as { port: number };
    this.url = `http://${hostAndPort({ hostname, port })}/metrics`;
  }

  /**
   * Listens.
   *
   * @param read what is counted, at the time of a request
   * @throws {Error} When the system refuses the address.
   */
  static async listen(
    hostname: string,
    port: number,
    read: () => Metric[],
  ): Promise<MetricsServer> {
    const server = createServer((request, response) => {
      const status = request.url !== "/metrics" ? 404 : request.method !== "GET" ? 405 : 200;
      const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
      response.writeHead(status, headers);
      response.end(status === 200 ? metricsText(read()) : "");
    });
    server.listen(port, hostname);
    await once(server, "listening");
    return new MetricsServer(server, hostname);
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
