/**
 * What `enet gateway` serves: pipes, or an ENet server.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import type { AccessLogFile } from "../../gateway/access_log_file.ts";
import { Gateway } from "../../gateway/gateway.ts";
import { browserMetrics, type Metric, serverMetrics } from "../../gateway/metrics.ts";
import { PipeMode } from "../../gateway/pipe/mode.ts";
import type { SocketServerOptions, SocketTls } from "../../gateway/socket/contract.ts";
import { listenSockets } from "../../gateway/socket/server.ts";
import type { WebRtcOptions } from "../../gateway/options.ts";
import type { GatewayValues } from "./options.ts";

/** How long clients may take to read what is queued, at the end. */
const GRACE_MS = 5000;

/** A gateway that listens. */
export interface Serving {
  /** Where it listens. */
  readonly url: string;
  /** Resolves when it is over by itself; rejects when it cannot go on. */
  readonly ended: Promise<void>;
  /** Uses another certificate for those that connect from now on. */
  replaceTls(tls: SocketTls): void;
  /** What it counts, also when it is over. */
  metrics(): Metric[];
  /** Ends it, after what is queued. */
  close(): Promise<void>;
}

/** The certificate and its key, from their files as they are now. */
export function readTls(values: GatewayValues): SocketTls | undefined {
  const { "ssl-cert": certificate, "ssl-key": key } = values;
  if (certificate === undefined || key === undefined) return undefined;
  return { certificate: readFileSync(certificate), key: readFileSync(key) };
}

const milliseconds = (seconds: number) => Math.round(seconds * 1000);

/** Where it listens and whom it lets in. */
function doorOptions(values: GatewayValues, log: AccessLogFile | undefined) {
  const { origin, addr: hostname, port, "unix-socket": unixSocket } = values;
  return {
    ...unixSocket === undefined ? { hostname, port } : { unixSocket },
    tls: readTls(values),
    path: values.path,
    origins: origin.length > 0 ? origin : undefined,
    proxies: values.proxy,
    handshakeTimeoutMs: milliseconds(values["handshake-timeout"]),
    accessLog: log && ((line: string) => log.write(line)),
  };
}

function serverOptions(values: GatewayValues, log: AccessLogFile | undefined): SocketServerOptions {
  const { protocol } = values;
  return {
    ...doorOptions(values, log),
    protocols: protocol.length > 0 ? protocol : undefined,
    maximumFrameSize: values["max-frame-size"],
    maximumMessageSize: values["max-message-size"] ?? values["max-frame-size"],
    maximumClients: values["max-clients"],
    idleTimeoutMs: milliseconds(values["idle-timeout"]),
    pingIntervalMs: milliseconds(values["ping-interval"]),
    queueLimitBytes: values["queue-limit"],
    slow: values.slow,
  };
}

/** Serves the program behind the pipes. */
export async function servePipes(
  values: GatewayValues,
  log: AccessLogFile | undefined,
  report: (text: string) => void,
): Promise<Serving> {
  const { std, stdin, stdout } = values;
  const options = serverOptions(values, log);
  const mode = await PipeMode.open({
    pipeIn: std || stdin ? undefined : values.pipein,
    pipeOut: std || stdout ? undefined : values.pipeout,
    strict: values.strict,
    frame: values.frame,
    echo: values["echo-mode"],
    maximumFrameSize: values["max-frame-size"],
    slow: values.slow,
    queueLimitBytes: values["queue-limit"],
    report,
  });
  try {
    const server = await listenSockets(options, mode.handlers);
    const ended = mode.run(server);
    ended.catch(() => {}); // It may fail before anything waits for it.
    return {
      url: server.url,
      ended,
      replaceTls: (tls) => server.replaceTls(tls),
      metrics: () => [...serverMetrics(server.stats), ...mode.metrics()],
      async close() {
        await server.close({ code: 1001, graceMs: GRACE_MS });
        await mode.close();
      },
    };
  } catch (error) {
    await mode.close();
    throw error;
  }
}

/** The ports of `--webrtc-ports`; undefined where they are no two ports. */
export function webrtcPorts(text: string): WebRtcOptions["ports"] {
  const [first, last] = (text.match(/^(\d{1,5})-(\d{1,5})$/)?.slice(1) ?? []).map(Number);
  return first >= 1 && first <= last && last <= 65_535 ? [first, last] : undefined;
}

function webrtcOptions(values: GatewayValues): WebRtcOptions | false {
  const { webrtc, "webrtc-ports": ports, "webrtc-address": addresses } = values;
  return webrtc && {
    ...ports !== undefined && { ports: webrtcPorts(ports) },
    ...addresses.length > 0 && { addresses },
  };
}

/** Serves browsers, which get connections to an ENet server. */
export async function serveBrowsers(
  values: GatewayValues,
  log: AccessLogFile | undefined,
  report: (text: string) => void,
): Promise<Serving> {
  const gateway = await Gateway.listen({
    ...doorOptions(values, log),
    to: values.to,
    onServer: (fault) => report(fault?.message ?? `${values.to} answers`),
    browsers: values["max-clients"],
    webrtc: webrtcOptions(values),
    client: {
      compression: values.compress ? "range-coder" : "none",
      checksum: values.checksum ? "crc32" : "none",
    },
  });
  return {
    url: gateway.url,
    ended: new Promise(() => {}),
    replaceTls: (tls) => gateway.replaceTls(tls),
    metrics: () => [...serverMetrics(gateway.stats.sockets), ...browserMetrics(gateway.stats)],
    close: () => gateway.close({ graceMs: GRACE_MS }),
  };
}
