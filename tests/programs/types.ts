/**
 * What the types of the library have to let through, and to refuse; checked, not run.
 *
 * @module
 */
import { type AddressLike, ENetError, type ENetErrorCode, Host } from "../../mod.ts";

const host = await Host.listen();

// Bytes that have been received go wherever the platform takes bytes.
for await (const event of host) {
  if (event.type !== "receive") continue;
  const { bytes, view } = event.packet;
  await crypto.subtle.digest("SHA-256", view);
  new Blob([bytes]);
  await crypto.subtle.digest("SHA-256", bytes);
  await fetch("http://localhost/", { method: "POST", body: bytes });
  const buffer: ArrayBuffer = bytes.buffer;
  structuredClone(bytes, { transfer: [buffer] });
  const unzipped = event.peer.readable(0).pipeThrough(new DecompressionStream("gzip"));
  await new Response(unzipped).text();
}
for await (const { packet } of await host.connect("localhost:7777")) new Blob([packet.bytes]);

// Addresses.
const addresses: AddressLike[] = ["a:1", { hostname: "a", port: 1 }, host.address];
for (const address of addresses) host.sendDatagram(address, "x");
// @ts-expect-error: a port is a number
await host.connect({ hostname: "a", port: "1" });

// Codes are a closed set.
const error: unknown = undefined;
if (error instanceof ENetError) {
  const code: ENetErrorCode = error.code;
  if (code === "ENETJS_ERR_TIMEOUT") throw error;
  // @ts-expect-error: there is no such code
  if (error.code === "ENETJS_ERR_TIMOUT") throw error;
}
