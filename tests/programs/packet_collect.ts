/*
 * Retained packets survive 1,000 forced collections and the end of their host; what nobody refers to
 * is freed. Needs the collector exposed.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { diagnostics, Host, Packet } from "../../mod.ts";

const globals = globalThis as {
  gc?: (options: { type: "major" | "minor" }) => void;
  Bun?: { gc(force: boolean): void };
};
/** A tenth of the collections looks at everything. */
const collect = (isMajor = true) =>
  globals.Bun ? globals.Bun.gc(isMajor) : globals.gc?.({ type: isMajor ? "major" : "minor" });

const before = await diagnostics();
const kept: { packet: Packet; view: Uint8Array; value: number }[] = [];
const values = new Map<number, number>();

async function receive(): Promise<void> {
  const server = await Host.listen({ hostname: "127.0.0.1" });
  const client = await Host.create();
  const peer = await client.connect(server.address);
  const sizes = [100, 70_000, 1_000_000];
  sizes.forEach((size, index) => peer.send(0, new Uint8Array(size).fill(index + 1)));
  sizes.forEach((size, index) => values.set(size, index + 1));
  for await (const event of server) {
    if (event.type !== "receive") continue;
    const packet = event.packet.retain();
    kept.push({ packet, view: packet.view, value: values.get(packet.length) as number });
    if (kept.length === sizes.length) break;
  }
  for (let i = 0; i < 20; i++) Packet.alloc(200_000).view[0] = 1;
  await client.close();
  await server.close();
}

await receive();
for (let i = 0; i < 1000; i++) {
  collect(i % 10 === 0);
  if (i % 100 === 0) await setImmediate();
}

/** A function of its own, so that this frame refers to none of them afterwards. */
function checkAndForget(): void {
  for (const { packet, view, value } of kept) {
    assert.ok(view.every((byte) => byte === value), `the view of ${packet.length} bytes`);
    assert.ok(packet.bytes.every((byte) => byte === value), `the bytes of ${packet.length} bytes`);
  }
  kept.length = 0;
}

checkAndForget();
for (let i = 0; i < 200 && (await diagnostics()).packets > before.packets; i++) {
  collect();
  await setImmediate();
}
const after = await diagnostics();
assert.equal(after.packets, before.packets, "what nobody refers to is freed");
assert.equal(after.allocatedBytes, before.allocatedBytes);
