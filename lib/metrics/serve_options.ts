/**
 * The options of a metrics server.
 *
 * @module
 */
import { parseIPv4 } from "../internal/ip.ts";
import { boolean, integer, options as checkOptions, show } from "../internal/validate.ts";
import { type MetricsOptions, planMetrics } from "./metrics.ts";

/** Options of {@linkcode serveMetrics}. */
export interface ServeMetricsOptions extends MetricsOptions {
  /** The address to listen on. Default `"127.0.0.1"`; another one than that of this machine itself needs a `token`. */
  readonly hostname?: string;
  /** The port; 0 takes a free one, which `url` tells. Default 0. */
  readonly port?: number;
  /**
   * What a client has to know: 16 to 256 visible ASCII characters, which it sends as `Authorization: Bearer TOKEN`.
   * Default: none is needed, and only programs and browsers of this machine are answered.
   */
  readonly token?: string;
  /** Whether clients may disconnect peers. Default false. */
  readonly allowKick?: boolean;
  /** Most requests that are answered at the same time; others get 503. 1 to 1024. Default 32. */
  readonly maximumRequests?: number;
}

/** Checked options. */
export interface ServePlan {
  readonly peers: boolean;
  readonly hostname: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly allowKick: boolean;
  readonly maximumRequests: number;
}

/** Whether only this machine reaches an address. */
function isLoopback(hostname: string): boolean {
  const ipv4 = parseIPv4(hostname);
  if (ipv4 !== undefined) return ipv4 >>> 24 === 127;
  return hostname === "localhost" || hostname === "::1";
}

/**
 * Whether the header `Host` names this machine itself. A page of another name, which the name's owner lets point to
 * this machine (DNS rebinding), sends that name.
 */
export function isLoopbackHost(header: string | undefined): boolean {
  const name = header?.replace(/:\d{1,5}$/, "").replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return name !== undefined && isLoopback(name);
}

/** Checks {@linkcode ServeMetricsOptions}. */
export function planServe(given: ServeMetricsOptions): ServePlan {
  const own = ["hostname", "port", "token", "allowKick", "maximumRequests"];
  checkOptions(given, "options", [...own, "peers"]);
  const { hostname = "127.0.0.1", port = 0, token, allowKick = false, maximumRequests = 32 } =
    given;
  if (typeof hostname !== "string" || hostname === "") {
    throw new TypeError(`hostname must be an address, not ${show(hostname)}`);
  }
  if (token !== undefined && (typeof token !== "string" || !/^[\x21-\x7e]{16,256}$/.test(token))) {
    const what = typeof token === "string" ? `a text of ${token.length}` : show(token);
    throw new TypeError(`token must be 16 to 256 visible ASCII characters, not ${what}`);
  }
  if (token === undefined && !isLoopback(hostname)) {
    throw new TypeError(
      `token is missing: others reach ${hostname}; give one, or listen on 127.0.0.1`,
    );
  }
  return {
    ...planMetrics({ peers: given.peers }),
    hostname,
    port: integer(port, "port", 0, 65_535),
    token,
    allowKick: boolean(allowKick, "allowKick"),
    maximumRequests: integer(maximumRequests, "maximumRequests", 1, 1024),
  };
}
