/**
 * What the gateway counts, for monitoring.
 *
 * @module
 */
import type { MetricFamily } from "../metrics/family.ts";
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

/** The same as families, which `lib/metrics` writes as text. */
export function gatewayFamilies(metrics: readonly Metric[]): MetricFamily[] {
  return metrics.map(({ name, help, value, label = "", isGauge = false }) => ({
    name: `enet_gateway_${name}`,
    type: isGauge ? "gauge" : "counter",
    help,
    samples: typeof value === "number"
      ? [{ value }]
      : Object.entries(value).map(([key, value]) => ({ labels: { [label]: key }, value })),
  }));
}
