import { type Address, type AddressLike, validateAddress } from "../address.ts";
import type { AddressFilter } from "../address_filter.ts";
import { LAYOUT } from "../../ffi/layout.ts";
import { type CloseOptions, planClose } from "../close.ts";
import { Host } from "../host.ts";
import { integer, options as checkOptions, show } from "../internal/validate.ts";
import type { Limits } from "../limits.ts";
import type { HostOptions } from "../options.ts";
import type { SocketServerOptions } from "./socket_contract.ts";

/** Where a gateway listens, what is behind it, and whom it lets in. Either `host` or `to` must be given. */
export interface GatewayOptions extends
  Pick<
    SocketServerOptions,
    | "hostname"
    | "port"
    | "unixSocket"
    | "tls"
    | "path"
    | "origins"
    | "maximumHandshakes"
    | "handshakeTimeoutMs"
    | "accept"
    | "accessLog"
  > {
  /**
   * The host of this process whose peers the browsers become. Its `accept`, `filter`, `limits`, `duplicatePeers` and
   * sizes hold for them. The gateway closes with it.
   */
  readonly host?: Host;
  /**
   * An ENet server elsewhere, in any language: each browser gets a connection of its own to it. The server sees the
   * address of the gateway.
   */
  readonly to?: AddressLike;
  /** Most browsers at a time, up to 4095. Default: the `peers` of the host; with `to` 1024. */
  readonly browsers?: number;
  /** With `to`: options of the host that connects to the server, such as `compression`. */
  readonly client?: Omit<HostOptions, "peers" | "pump" | "filter" | "limits">;
  /** With `to`: which addresses may connect. Default: all. */
  readonly filter?: AddressFilter;
  /** With `to`: how much may come from an address and from a browser. Default as for a host. */
  readonly limits?: Limits;
}

/** Options that have been checked, where the gateway itself needs them. */
export interface GatewayPlan {
  readonly behind:
    | { readonly host: Host }
    | {
      readonly to: Address;
      readonly client: HostOptions;
      readonly filter: AddressFilter;
      readonly limits: Limits;
    };
  readonly browsers: number;
  readonly server: SocketServerOptions;
}

/** All of them. */
const NAMES = Object.keys(
  {
    host: true,
    to: true,
    browsers: true,
    client: true,
    filter: true,
    limits: true,
    hostname: true,
    port: true,
    unixSocket: true,
    tls: true,
    path: true,
    origins: true,
    maximumHandshakes: true,
    handshakeTimeoutMs: true,
    accept: true,
    accessLog: true,
  } satisfies Record<keyof GatewayOptions, true>,
);

/** Browsers before a server, where the program does not say. */
const BROWSERS = 1024;

/** WebSockets beside the browsers, that have not said hello or are being refused. */
const OTHERS = 1024;

/** Bytes that a WebSocket has to take: what may be under way, and control frames. */
const QUEUE_BYTES = 8 * 2 ** 20;

/** Checks the options of a gateway. What concerns sockets, the server checks. */
export function planGateway(
  given: unknown,
  peersOf: (host: Host) => number,
  fixed: Pick<SocketServerOptions, "protocols" | "maximumFrameSize" | "maximumMessageSize">,
): GatewayPlan {
  checkOptions(given, "options", NAMES);
  const { host, to, client, filter, limits, ...others } = given as GatewayOptions;
  if ((host === undefined) === (to === undefined)) {
    throw new TypeError("options must have either host, a Host, or to, the address of a server");
  }
  if (host !== undefined && !(host instanceof Host)) {
    throw new TypeError(`host must be a Host, not ${show(host)}`);
  }
  for (const [name, value] of Object.entries({ client, filter, limits })) {
    if (host !== undefined && value !== undefined) {
      throw new TypeError(`${name} is for a gateway with to: the host has its own settings`);
    }
  }
  const { browsers = host === undefined ? BROWSERS : peersOf(host), ...server } = others;
  integer(browsers, "browsers", 1, LAYOUT.MAXIMUM_PEERS);
  return {
    behind: host !== undefined ? { host } : {
      to: validateAddress(to as AddressLike, 1),
      client: { ...client, peers: browsers },
      filter: filter ?? {},
      limits: limits ?? {},
    },
    browsers,
    server: {
      ...server,
      ...fixed,
      maximumClients: browsers + OTHERS,
      pingIntervalMs: 0, // the links ping
      idleTimeoutMs: 0,
      queueLimitBytes: QUEUE_BYTES,
      slow: "close",
    },
  };
}

/** Checks how a gateway closes. */
export function planGatewayClose(given: Omit<CloseOptions, "reason">, data: number) {
  checkOptions(given, "options", ["graceMs", "data"]);
  return planClose({ data, ...given });
}
