/* What ENETJS_DEBUG=1 adds. */
import assert from "node:assert/strict";
import { Host, type Packet } from "../../mod.ts";

const server = await Host.listen({ hostname: "127.0.0.1" });
const client = await Host.create();
const peer = await client.connect(server.address);
let kept: Packet | undefined;
let view: Uint8Array | undefined;
peer.send(0, "first");
peer.send(0, "second");
for await (const event of server) {
  if (event.type !== "receive") continue;
  if (kept !== undefined) break;
  kept = event.packet;
  view = kept.view;
}
assert.equal(view?.length, 0, "released at once");
assert.throws(() => kept?.view, {
  code: "ENETJS_ERR_RELEASED",
  message: /the next iteration.*retain\(\).*packet_debug\.ts/s,
});
await client.close();
await server.close();
