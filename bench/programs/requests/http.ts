/**
 * Requests over HTTP/1.1 with `node:http` and kept connections. A connection carries one request at a
 * time, so that there are as many connections as requests in flight.
 */
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { HOSTNAME } from "../_common.ts";
import { runEnd } from "./_end.ts";

/** Calls a function with all chunks of a body. */
function onBody(message: IncomingMessage, take: (chunks: Buffer[]) => void): void {
  const chunks: Buffer[] = [];
  message.on("data", (chunk) => chunks.push(chunk)).on("end", () => take(chunks));
}

const lengthOf = (chunks: Buffer[]) => chunks.reduce((sum, { length }) => sum + length, 0);

await runEnd({
  async serve() {
    const server = createServer((request, response) => {
      onBody(request, (chunks) => {
        response.writeHead(200, { "content-length": lengthOf(chunks) });
        for (const chunk of chunks) response.write(chunk);
        response.end();
      });
    });
    server.listen(0, HOSTNAME);
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  },
  connect(_what, port, inFlight) {
    const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
    return Promise.resolve((message, onReply) => {
      const headers = { "content-length": message.length };
      request({ hostname: HOSTNAME, port, agent, method: "POST", headers }, (response) => {
        onBody(response, (chunks) => onReply(lengthOf(chunks)));
      }).end(message);
    });
  },
});
