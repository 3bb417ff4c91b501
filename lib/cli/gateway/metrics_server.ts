/**
 * The server behind `--metrics`: the text for monitoring, without a page.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { gatewayFamilies, type Metric } from "../../gateway/metrics.ts";
import { hostAndPort } from "../../internal/ip.ts";
import { acceptedFormat, FORMATS, metricsText } from "../../metrics/text.ts";

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
      const format = acceptedFormat(request.headers.accept);
      response.writeHead(status, { "content-type": FORMATS[format] });
      response.end(status === 200 ? metricsText(gatewayFamilies(read()), format) : "");
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
