import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type HostEvent } from "../../mod.ts";
import { connectedPair, equalBytes, journal, leakCheck, pattern, until } from "../_helpers.ts";
import { LOOPBACK, serviceUntil, texts } from "./_host.ts";

test("Host.service() alone drives hosts without a pump", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK, pump: false });
  await using client = await Host.create({ pump: false });
  assert.equal(server.service(), null);
  assert.equal(server.service(1), null);
  const connecting = client.connect(server.address, { data: 7 });
  const events: HostEvent[] = [];
  const peer = await serviceUntil(
    connecting.finally(() => {}),
    client,
    {
      service: (ms: number) => {
        const event = server.service(ms);
        if (event !== null) events.push(event);
      },
    } as unknown as Host,
  );
  const connect = events[0];
  assert.ok(connect?.type === "connect" && connect.data === 7);
  for (let i = 0; i < 100; i++) peer.send(i % 2, `message ${i}`);
  client.flush();
  const texts: string[] = [];
  await until(
    () => {
      client.service();
      for (let event = server.service(); event !== null; event = server.service()) {
        assert.ok(event.type === "receive" && event.peer === connect.peer);
        assert.equal(event.packet.text(), `message ${texts.length}`);
        assert.equal(event.channelId, texts.length % 2);
        texts.push(event.packet.text());
      }
      return texts.length === 100;
    },
    10_000,
    "100 messages",
  );
  assert.equal(server.service(), null);
  await serviceUntil(peer.disconnect(9), client, server);
});

test("Host.service() waits for an event while its thread is blocked", async (t) => {
  await leakCheck(t);
  for (const pump of [true, false]) {
    await using server = await Host.listen({ hostname: LOOPBACK, pump });
    await using client = await Host.create();
    assert.equal(server.service(), null);
    const connecting = client.connect(server.address);
    await until(() => client.stats.totalSentPackets > 0, 20_000, "the request");
    const peer = await serviceUntil(connecting, server);
    // Larger than the window: the client's pump must send the rest while this thread is blocked.
    const payload = pattern(500_000);
    peer.send(0, payload);
    client.flush();
    let event = server.service(10_000);
    while (event?.type === "connect") event = server.service(10_000);
    assert.ok(event?.type === "receive");
    equalBytes(event.packet.bytes, payload);
  }
});

test("Host.service() gives the events of a host with handlers to these, and returns null", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK, pump: false }, seen.handlers);
  await using client = await Host.create();
  const peer = await serviceUntil(client.connect(server.address), server);
  for (let i = 0; i < 10; i++) peer.send(0, `message ${i}`);
  client.flush();
  await until(
    () => {
      assert.equal(server.service(1), null);
      return seen.all("receive").length === 10;
    },
    10_000,
    "10 messages",
  );
  assert.deepEqual(
    texts(seen.all("receive")),
    Array.from({ length: 10 }, (_, i) => `message ${i}`),
  );
});

test("A host has one consumer: iteration, handlers or service()", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: LOOPBACK });
  const events = host[Symbol.asyncIterator]();
  assert.throws(() => host[Symbol.asyncIterator](), { name: "TypeError", message: /already/ });
  assert.throws(() => host.service(), { name: "TypeError", message: /iterated/ });
  await events.return?.();
  assert.equal(host.service(), null);
  await host[Symbol.asyncIterator]().return?.();
  await using handled = await Host.listen({ hostname: LOOPBACK }, {});
  assert.throws(() => handled[Symbol.asyncIterator](), { name: "TypeError", message: /handlers/ });
});

test("A packet that service() has returned is borrowed until the next call", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, peer } = pair;
  for (const size of [10, 100_000]) {
    peer.send(0, pattern(size));
    peer.send(0, "next");
    const next = () =>
      until(
        () => {
          const event = server.service(10);
          return event?.type === "receive" ? { packet: event.packet } : undefined;
        },
        10_000,
        "a message",
      );
    const { packet } = await next();
    assert.equal(packet.length, size);
    const { packet: second } = await next();
    assert.throws(() => packet.bytes, { code: "ENETJS_ERR_RELEASED" });
    assert.throws(() => packet.view, { code: "ENETJS_ERR_RELEASED" });
    assert.throws(() => packet.text(), { code: "ENETJS_ERR_RELEASED" });
    assert.equal(second.text(), "next");
    const { bytes } = second;
    server.service();
    assert.throws(() => second.text(), { code: "ENETJS_ERR_RELEASED" });
    assert.equal(new TextDecoder().decode(bytes), "next", "what has been copied stays");
  }
});
