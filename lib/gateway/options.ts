import { isIP } from "node:net";
import { type Address, type AddressLike, validateAddress } from "../address.ts";
import type { AddressFilter } from "../address_filter.ts";
import { LAYOUT } from "../../ffi/layout.ts";
import { type CloseOptions, planClose } from "../close.ts";
import type { ENetError } from "../errors.ts";
import { Host } from "../host.ts";
import { integer, optionalFunction, options as checkOptions, show } from "../internal/validate.ts";
import type { Limits } from "../limits.ts";
import type { HostOptions } from "../options.ts";
import type { RtcPlan } from "./rtc_server.ts";
import { MOST_ADDRESSES } from "./link/signalling.ts";
import type { SocketServerOptions } from "./socket/contract.ts";

/** How browsers reach a gateway by UDP. */
export interface WebRtcOptions {
  /**
   * The first and the last UDP port; each browser with a data channel has one. A firewall has to let them in. Without a
   * free one, a browser stays with its WebSocket. Default: any that the system gives.
   */
  readonly ports?: readonly [first: number, last: number];
  /**
   * The IP addresses that browsers send to, at most 8: the public ones where this machine is behind a NAT or a proxy.
   * Default: the address of this machine at which the browser's WebSocket has arrived. With `proxies` or `unixSocket`
   * they must be given.
   */
  readonly addresses?: readonly string[];
}

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
    | "proxies"
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
  /**
   * With `to`: called with the error when the server does not answer a browser's attempt any more, and with `undefined`
   * when it answers again.
   */
  onServer?(fault: ENetError | undefined): void;
  /**
   * Lets unreliable messages travel over data channels of WebRTC, for the browsers that ask for it. It needs the npm
   * package `node-datachannel`. Default `false`: the package is a native addon with threads of its own, and opens UDP
   * ports.
   */
  readonly webrtc?: boolean | WebRtcOptions;
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
      readonly onServer: GatewayOptions["onServer"];
    };
  readonly browsers: number;
  readonly webrtc: RtcPlan | undefined;
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
    onServer: true,
    webrtc: true,
    hostname: true,
    port: true,
    unixSocket: true,
    tls: true,
    path: true,
    origins: true,
    proxies: true,
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

/** Checks how browsers reach a gateway by UDP. */
function planWebRtc(
  given: unknown,
  { unixSocket, proxies }: Pick<SocketServerOptions, "unixSocket" | "proxies">,
): RtcPlan | undefined {
  if (given === undefined || given === false) return undefined;
  if (given !== true) checkOptions(given, "webrtc", ["ports", "addresses"]);
  const { ports, addresses }: WebRtcOptions = given === true ? {} : given as WebRtcOptions;
  if (ports !== undefined) {
    if (!Array.isArray(ports) || ports.length !== 2) {
      throw new TypeError(`webrtc.ports must be the first and the last port, not ${show(ports)}`);
    }
    integer(ports[0], "webrtc.ports[0]", 1, 65_535);
    integer(ports[1], "webrtc.ports[1]", ports[0], 65_535);
  }
  if (addresses !== undefined) {
    if (!Array.isArray(addresses)) {
      throw new TypeError(
        `webrtc.addresses must be an array of IP addresses, not ${show(addresses)}`,
      );
    }
    const wrong = addresses.find((address) => typeof address !== "string" || isIP(address) === 0);
    if (wrong !== undefined) {
      throw new TypeError(`webrtc.addresses must be IP addresses, not ${show(wrong)}`);
    }
    integer(addresses.length, "the number of webrtc.addresses", 1, MOST_ADDRESSES);
  } else if (unixSocket !== undefined || proxies?.length) {
    throw new TypeError(
      `webrtc needs addresses with ${
        unixSocket === undefined ? "proxies" : "unixSocket"
      }: browsers send UDP past the proxy, to an address of this machine`,
    );
  }
  return { ports, addresses };
}

/** Checks the options of a gateway. What concerns sockets, the server checks. */
export function planGateway(
  given: unknown,
  peersOf: (host: Host) => number,
  fixed: Pick<SocketServerOptions, "protocols" | "maximumFrameSize" | "maximumMessageSize">,
): GatewayPlan {
  checkOptions(given, "options", NAMES);
  const { host, to, client, filter, limits, onServer, webrtc, ...others } = given as GatewayOptions;
  if ((host === undefined) === (to === undefined)) {
    throw new TypeError("options must have either host, a Host, or to, the address of a server");
  }
  if (host !== undefined && !(host instanceof Host)) {
    throw new TypeError(`host must be a Host, not ${show(host)}`);
  }
  for (const [name, value] of Object.entries({ client, filter, limits, onServer })) {
    if (host !== undefined && value !== undefined) {
      throw new TypeError(`${name} is for a gateway with to: the host has its own settings`);
    }
  }
  optionalFunction(onServer, "onServer");
  const { browsers = host === undefined ? BROWSERS : peersOf(host), ...server } = others;
  integer(browsers, "browsers", 1, LAYOUT.MAXIMUM_PEERS);
  return {
    behind: host !== undefined ? { host } : {
      to: validateAddress(to as AddressLike, 1),
      client: { ...client, peers: browsers },
      filter: filter ?? {},
      limits: limits ?? {},
      onServer: onServer?.bind(given),
    },
    browsers,
    webrtc: planWebRtc(webrtc, server),
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
