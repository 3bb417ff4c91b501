/**
 * Ends of a connection, or of its host, for which 20,000 messages wait. What is left of them is freed behind the call;
 * what the program is told does not depend on that.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type Peer } from "../../mod.ts";
import { leakCheck, rejection, until } from "../_helpers.ts";

const QUEUED = 20_000;
const BYTES = 64;

/** A host with a connection to another one that acknowledges nothing from now on. */
async function connectedToStalled(pump: boolean) {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await Host.listen({ hostname: "127.0.0.1", pump: false }));
  const client = stack.use(await Host.create({ pump }, {}));
  let peer: Peer | undefined;
  void client.connect(server.address).then((connected) => peer = connected);
  await until(
    () => {
      server.service(0);
      if (!pump) client.service(0);
      return peer !== undefined && server.peers.length === 1;
    },
    20_000,
    "the connection",
  );
  const hosts = stack.move();
  return { client, peer: peer!, [Symbol.asyncDispose]: () => hosts.disposeAsync() };
}

/** Queues many messages. @returns what becomes of the first and of the last one, two of them */
function queue(peer: Peer): Promise<string>[] {
  const message = new Uint8Array(BYTES);
  const first = peer.deliver(0, message);
  for (let i = 2; i < QUEUED; i++) peer.send(0, message);
  const last = peer.deliver(0, message);
  return [first, last].map((delivery) => rejection(delivery, "ENETJS_ERR_UNDELIVERED"));
}

const ENDS: Record<string, (peer: Peer) => void> = {
  disconnectNow: (peer) => peer.disconnectNow(),
  reset: (peer) => peer.reset(),
  disconnect: (peer) => void peer.disconnect().catch(() => {}),
};

for (const pump of [true, false]) {
  const how = pump ? "with a pump" : "without a pump";
  for (const [name, end] of Object.entries(ENDS)) {
    test(`Peer.${name}() drops a long queue ${how}`, async (t) => {
      await leakCheck(t);
      await using pair = await connectedToStalled(pump);
      const { client, peer } = pair;
      const deliveries = queue(peer);
      assert.equal(peer.stats.queuedMessages, QUEUED);
      end(peer);
      assert.ok(peer.stats.queuedMessages <= 1);
      assert.equal(peer.send(0, "more"), false);
      if (!pump) client.service(0);
      await Promise.all(deliveries);
      // The host goes on.
      await using other = await Host.listen({ hostname: "127.0.0.1" }, {});
      const connecting = client.connect(other.address);
      const ticker = pump ? undefined : setInterval(() => client.service(0), 1);
      await connecting.finally(() => clearInterval(ticker));
    });
  }

  test(`Host.close() tells what it leaves of a long queue ${how}`, async (t) => {
    await leakCheck(t);
    await using pair = await connectedToStalled(pump);
    const deliveries = queue(pair.peer);
    const undelivered = await pair.client.close({ graceMs: 0 });
    assert.deepEqual(undelivered, { bytes: QUEUED * BYTES, messages: QUEUED, peers: 1 });
    await Promise.all(deliveries);
  });

  test(`Host[Symbol.dispose]() drops a long queue ${how}`, async (t) => {
    await leakCheck(t);
    await using pair = await connectedToStalled(pump);
    const deliveries = queue(pair.peer);
    pair.client[Symbol.dispose]();
    await Promise.all(deliveries);
    assert.equal(pair.client.closed, true);
  });
}
