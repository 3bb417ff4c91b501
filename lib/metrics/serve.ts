import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { surface } from "../../ffi/surface.ts";
import { makeInspectable } from "../internal/inspect.ts";
import { hostAndPort } from "../internal/ip.ts";
import { systemError } from "../internal/system_error.ts";
import { Responder } from "./responder.ts";
import { planServe, type ServeMetricsOptions, type ServePlan } from "./serve_options.ts";
import { type MetricSources, Sources } from "./sources.ts";

/** How long a client may take to ask, and how often that is looked at. */
const PATIENCE = {
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2000,
};

/** Connections for each request that is answered at the same time: browsers keep several. */
const CONNECTIONS = 4;

/** A server of metrics, until it is closed. It does not keep the process alive. */
export interface MetricsServer extends AsyncDisposable {
  /** Where the page is: `http://127.0.0.1:9464/`. The text for Prometheus is at `/metrics`. */
  readonly url: string;
  /**
   * Stops listening, and ends the connections of clients.
   *
   * @returns a promise that resolves when that is done; the same one when called again
   */
  close(): Promise<void>;
}

/** The server. */
class Listener implements MetricsServer {
  readonly #server: Server;
  #url = "";
  #closing: Promise<void> | undefined;

  constructor(responder: Responder, { maximumRequests }: ServePlan) {
    this.#server = createServer(PATIENCE, (request, response) => {
      responder.respond(request, response).catch((error) => {
        surface(error);
        response.destroy();
      });
    });
    // Bun does not heed it; there, PATIENCE alone ends those who ask for nothing.
    this.#server.maxConnections = CONNECTIONS * maximumRequests;
    Object.preventExtensions(this);
  }

  async listen({ hostname, port }: ServePlan): Promise<void> {
    const server = this.#server;
    const where = hostAndPort({ hostname, port });
    const listening = Promise.withResolvers<void>();
    const onError = (error: Error) => listening.reject(systemError(error, `Listening on ${where}`));
    server.once("error", onError);
    server.listen(port, hostname, listening.resolve);
    await listening.promise;
    server.removeListener("error", onError);
    server.on("error", surface);
    server.unref();
    const local = server.address() as { port: number };
    this.#url = `http://${hostAndPort({ hostname, port: local.port })}/`;
  }

  get url(): string {
    return this.#url;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  static {
    makeInspectable(this.prototype, "MetricsServer", (server) => server.#url);
  }
}

/**
 * Serves the metrics of hosts and other sources over HTTP: a live page for people at `/`, text for Prometheus at
 * `/metrics`, and JSON at `/status.json`, which `enet top` reads.
 *
 * It answers this machine only, unless it has a `token`. It changes nothing, unless `allowKick` is true.
 *
 * @param sources a host, another source, or several
 * @param options where it listens, and for whom
 * @returns the server
 * @throws {TypeError} for what is no source, an unknown option or one of the wrong type, and without a token where
 *   others reach the address
 * @throws {RangeError} for a value out of range
 * @throws {ENetError} `ENETJS_ERR_ADDRESS_IN_USE`, `ENETJS_ERR_ADDRESS_UNAVAILABLE`, `ENETJS_ERR_PERMISSION`,
 *   `ENETJS_ERR_SOCKET`
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { serveMetrics } from "@enetjs/enet/metrics";
 *
 * await using host = await Host.listen({ hostname: "127.0.0.1", port: 0 });
 * await using server = await serveMetrics(host);
 * const response = await fetch(`${server.url}metrics`);
 * console.log(response.status); // 200
 * ```
 */
export async function serveMetrics(
  sources: MetricSources,
  options: ServeMetricsOptions = {},
): Promise<MetricsServer> {
  const plan = planServe(options);
  const listener = new Listener(new Responder(new Sources(sources), plan), plan);
  await listener.listen(plan);
  return listener;
}
