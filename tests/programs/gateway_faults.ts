/* What ENETJS_DEBUG=1 says of browsers that break the rules of a gateway. */
import { Gateway } from "../../lib/gateway/gateway.ts";
import { encodeMessage, FRAGMENT } from "../../lib/gateway/link/wire.ts";
import { Host } from "../../mod.ts";
import { until } from "../_helpers.ts";
import { raw } from "../lib/gateway/_gateway.ts";

const host = await Host.listen({ hostname: "127.0.0.1" }, {});
const server = await Host.listen({ hostname: "127.0.0.1" }, {});
const gateways = [
  await Gateway.listen({ host, hostname: "127.0.0.1" }),
  await Gateway.listen({ to: server.address, hostname: "127.0.0.1" }),
];

/** Waits until a gateway knows that all are gone. */
async function ended(gateway: Gateway): Promise<void> {
  await until(() => gateway.stats.sockets.clients === 0, 20_000, "the end at the gateway");
  console.warn("now");
}

/** Waits for the end that a gateway makes for what is sent. */
async function offend(gateway: Gateway, hello: boolean, ...frames: (string | Uint8Array)[]) {
  const { send, closed } = await raw(gateway.url, { hello });
  for (const frame of frames) send(frame);
  console.log((await closed).slice(0, 4));
  await ended(gateway);
}

for (const gateway of gateways) {
  await offend(gateway, false, "hello");
  await offend(gateway, true, "text");
  // Two faults, of which only the first counts.
  await offend(gateway, true, Uint8Array.of(0, 3, 0), Uint8Array.of(0, 3, 0));
  await offend(gateway, true, new Uint8Array(FRAGMENT + 3));
  const { socket, send, closed } = await raw(gateway.url);
  send(encodeMessage(0, 1, Uint8Array.of(1))[0]);
  socket.close(4711, "\x1b[2J");
  await closed;
  await ended(gateway);
}
for (const gateway of gateways) await gateway.close();
await host.close();
await server.close();
