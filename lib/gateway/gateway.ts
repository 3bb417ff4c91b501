import type { CloseOptions } from "../close.ts";
import { DisconnectCode } from "../disconnect.ts";
import { Host, hosts } from "../host.ts";
import type { Endpoint } from "../internal/endpoint.ts";
import { count, makeInspectable } from "../internal/inspect.ts";
import { planFilter } from "../address_filter.ts";
import { planLimits } from "../limits.ts";
import { Accounts } from "./accounts.ts";
import type { MetricFamily } from "../metrics/family.ts";
import { browserMetrics, gatewayFamilies, serverMetrics } from "./metrics.ts";
import { loadRtcLibrary } from "./_node_datachannel.ts";
import { HostEntrance } from "./host_entrance.ts";
import { type GatewayOptions, type GatewayPlan, planGateway, planGatewayClose } from "./options.ts";
import { type GatewayRefusals, Reception } from "./reception.ts";
import { RtcServer, type WebRtcStats } from "./rtc_server.ts";
import { ServerEntrance } from "./server_entrance.ts";
import type {
  SocketAddress,
  SocketRequest,
  SocketServer,
  SocketServerOptions,
  SocketServerStats,
  SocketTls,
} from "./socket/contract.ts";
import { prepareMessage } from "./socket/message.ts";
import { listenSockets } from "./socket/server.ts";
import { FRAGMENT, HEADER, PROTOCOL } from "./link/wire.ts";

/** What a gateway has done since it began to listen. */
export interface GatewayStats {
  /** Browsers that are connected, or ask to be. */
  readonly browsers: number;
  /** Browsers that were not let in, by cause. */
  readonly refused: Readonly<GatewayRefusals>;
  /** Counters of the WebSocket server. */
  readonly sockets: SocketServerStats;
  /** Counters of WebRTC; undefined without it. */
  readonly webrtc: WebRtcStats | undefined;
}

/** What is behind a gateway, and how it ends. */
interface Behind {
  readonly reception: Reception;
  /** Called after the last browser has left. */
  end(): unknown;
}

const warningsOf = (endpoint: Endpoint) => (name: string, what: string) =>
  endpoint.warn({ name }, what);

/** Lets browsers into a host of this process. */
function beforeHost(
  host: Host,
  browsers: number,
  rtc: RtcServer | undefined,
  close: () => void,
): Behind {
  const endpoint = hosts.endpointOf(host);
  endpoint.requireOpen("Listening for browsers");
  const { limits, filter } = endpoint.settings;
  const accounts = new Accounts(limits, filter);
  const entrance = new HostEntrance(endpoint, accounts, browsers, prepareMessage);
  const reception = new Reception(accounts, entrance, rtc, warningsOf(endpoint), () => {
    if (endpoint.resources.open) entrance.tick();
    else close();
  });
  endpoint.carry(entrance);
  return { reception, end: () => endpoint.drop(entrance) };
}

/** Lets browsers into a server elsewhere. */
async function beforeServer(
  { to, client, limits, filter, onServer }: Extract<GatewayPlan["behind"], { to: unknown }>,
  browsers: number,
  rtc: RtcServer | undefined,
): Promise<Behind> {
  const accounts = new Accounts(planLimits(limits), planFilter(filter));
  // What comes before the loop over a peer begins belongs to that loop, so there are no handlers.
  const host = await Host.create(client);
  const entrance = new ServerEntrance(host, to, accounts, browsers, onServer);
  const reception = new Reception(accounts, entrance, rtc, warningsOf(hosts.endpointOf(host)));
  return { reception, end: () => host.close() };
}

/**
 * Lets browsers reach an ENet host: a WebSocket server whose clients are `EnetSocket`s of `@enetjs/enet/browser`. With
 * `host`, each browser is a `Peer` of it like any other. With `to`, each browser has a connection to a server elsewhere.
 *
 * A gateway keeps the process alive until it is closed.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { Gateway } from "@enetjs/enet/gateway";
 *
 * await using host = await Host.listen({ hostname: "127.0.0.1" }, {
 *   connect: (peer) => console.log(`${peer.address.hostname} has joined`),
 *   receive: (_peer, channelId, packet) => void host.broadcast(channelId, packet),
 * });
 * await using gateway = await Gateway.listen({ host, hostname: "127.0.0.1" });
 * console.log(gateway.url.startsWith("ws://127.0.0.1:")); // true
 * ```
 */
export class Gateway implements AsyncDisposable {
  readonly #server: SocketServer;
  readonly #behind: Behind;
  readonly #rtc: RtcServer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(server: SocketServer, behind: Behind, rtc: RtcServer | undefined) {
    this.#server = server;
    this.#behind = behind;
    this.#rtc = rtc;
    if (rtc === undefined) return;
    const { address } = server;
    rtc.listen("hostname" in address ? address.hostname : undefined);
  }

  /**
   * Begins to listen.
   *
   * @param options what is behind the gateway, and where it listens
   * @returns the gateway
   * @throws {TypeError} for an unknown option or one of the wrong type, and without `host` and `to`
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_CLOSED` where the host is closed, `ENETJS_ERR_ADDRESS_IN_USE` and others of
   *   sockets; with `webrtc` `ENETJS_ERR_LIBRARY` where `node-datachannel` is not installed
   */
  static async listen(options: GatewayOptions): Promise<Gateway> {
    const { behind: plan, browsers, webrtc, server: given } = planGateway(
      options,
      (host) => hosts.endpointOf(host).settings.peers,
      {
        protocols: [PROTOCOL],
        maximumFrameSize: HEADER + FRAGMENT,
        maximumMessageSize: HEADER + FRAGMENT,
      },
    );
    let gateway: Gateway | undefined;
    const rtc = webrtc && new RtcServer(await loadRtcLibrary(), webrtc);
    const behind = "host" in plan
      ? beforeHost(plan.host, browsers, rtc, () => void gateway?.close())
      : await beforeServer(plan, browsers, rtc);
    const { reception } = behind;
    const server: SocketServerOptions = {
      ...given,
      accept: (request: SocketRequest) => reception.admits(request, given.accept?.bind(given)),
    };
    try {
      return gateway = new Gateway(await listenSockets(server, reception.handlers), behind, rtc);
    } catch (error) {
      await reception.dismiss(0, 0);
      await behind.end();
      throw error;
    }
  }

  /** Where it listens, as `ws://127.0.0.1:7890`. */
  get url(): string {
    return this.#server.url;
  }

  /** Where it listens. */
  get address(): SocketAddress {
    return this.#server.address;
  }

  /** Counters. */
  get stats(): GatewayStats {
    const { reception: { size, refusals } } = this.#behind;
    return {
      browsers: size,
      refused: { ...refusals },
      sockets: this.#server.stats,
      webrtc: this.#rtc && { ...this.#rtc.counters },
    };
  }

  /**
   * Its counters as metrics, `enet_gateway_…`: a gateway is a source of `metrics()` and `serveMetrics()` of
   * `@enetjs/enet/metrics`.
   */
  metrics(): MetricFamily[] {
    const { stats } = this;
    return gatewayFamilies([...serverMetrics(stats.sockets), ...browserMetrics(stats)]);
  }

  /** Whether `close` has been called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Uses another certificate for those that connect from now on.
   *
   * @param tls certificate and key
   * @throws {Error} when they do not fit; the old ones stay in use
   * @throws {TypeError} when the gateway has no TLS
   */
  replaceTls(tls: SocketTls): void {
    this.#server.replaceTls(tls);
  }

  /**
   * Stops listening, and ends the connections of the browsers after what is queued for them. The host stays open.
   *
   * @param options how long to wait, and what the browsers read; that is `DisconnectCode.CLOSING` by default
   * @returns a promise that resolves when the gateway is closed; the same one when called again
   * @throws {TypeError} for an unknown option
   * @throws {RangeError} for a value out of range
   */
  close(options: Omit<CloseOptions, "reason"> = {}): Promise<void> {
    const { graceMs, data } = planGatewayClose(options, DisconnectCode.CLOSING);
    return this.#closing ??= this.#close(graceMs, data);
  }

  async #close(graceMs: number, data: number): Promise<void> {
    const { reception, end } = this.#behind;
    await reception.dismiss(graceMs, data);
    await this.#server.close({ graceMs: 0 });
    await this.#rtc?.close();
    await end();
  }

  /** Closes the gateway as {@linkcode Gateway.close} does without options. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  static {
    makeInspectable(
      this.prototype,
      "Gateway",
      (gateway) => `${gateway.url}, ${count(gateway.stats.browsers, "browser")}`,
    );
  }
}
