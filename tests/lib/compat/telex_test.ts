/**
 * JSON datagrams and ENet's traffic on one port, and datagrams that look like the other kind.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import { addressOf, compatPair, next } from "./_compat.ts";
import { leakCheck, until, withDeadline } from "../../_helpers.ts";
import { randomOf } from "../../_relay.ts";

const COUNT = 30_000;
const BATCH = 50;

const encoder = new TextEncoder();

/** A seeded random datagram; a telex has a number of its own. */
function datagramOf(random: () => number, number: number): { bytes: Uint8Array; telex: boolean } {
  const below = (limit: number) => Math.floor(random() * limit);
  const noise = (length: number) => new Uint8Array(length).map(() => below(256));
  const text = JSON.stringify({
    number,
    '\u{1F680} "\\': [random(), null, { "": "x".repeat(below(60)) }],
  });
  const telex = encoder.encode(text);
  switch (below(8)) {
    case 0: // JSON, in one of its forms
    case 1:
      return { bytes: encoder.encode(below(2) ? text : `${text} \r\n`), telex: true };
    case 2: // ends as JSON does, and is none
      return { bytes: encoder.encode(`{${text}}`), telex: false };
    case 3: // cut off
      return { bytes: telex.slice(0, 1 + below(telex.length - 1)), telex: false };
    case 4: { // with a byte that is no UTF-8
      telex[1 + below(telex.length - 2)] = 0xFF;
      return { bytes: telex, telex: false };
    }
    case 5: { // a header of ENet's, for some peer or for none yet, with or without commands
      const bytes = noise(4 + below(80));
      const peer = below(2) ? below(4) : 0xFFF;
      bytes[0] = below(16) << 4 | peer >> 8;
      bytes[1] = peer & 0xFF;
      if (below(2)) bytes[4] = 0x80 | below(16);
      return { bytes, telex: false };
    }
    case 6: // JSON that is no object
      return { bytes: encoder.encode(`[${text}]`), telex: false };
    default:
      return { bytes: noise(1 + below(100)), telex: false };
  }
}

test(`Of ${COUNT} random datagrams beside ENet's, exactly the telexes are told`, async (t) => {
  await leakCheck(t);
  using pair = await compatPair({ server: { peers: 64 } });
  const { server, peer } = pair;
  const { address, port } = addressOf(server);
  const stranger = createSocket("udp4");
  await new Promise<void>((resolve) => stranger.bind(0, "127.0.0.1", resolve));
  const source = { address: "127.0.0.1", port: stranger.address().port };
  const connects: unknown[] = [];
  server.on("connect", () => void connects.push("connect"));

  let told: string[] = [];
  server.on("telex", (buffer, from) => {
    assert.deepEqual(from, source);
    told.push(buffer.toString("latin1"));
  });
  const messages: string[] = [];
  server.on("message", (_peer, packet) => void messages.push(String(packet.data())));

  const random = randomOf(20_260_101);
  let telexes = 0;
  for (let number = 0; number < COUNT;) {
    const expected = ["{}"];
    for (let i = 0; i < BATCH; i++) {
      const { bytes, telex } = datagramOf(random, number++);
      stranger.send(bytes, port, address);
      if (telex) expected.push(Buffer.from(bytes).toString("latin1"));
    }
    peer.send(0, `{"number":${number}}`);
    // Before the next batch, so that the socket's buffer does not overflow.
    stranger.send("{}", port, address);
    await until(() => told.length >= expected.length, 10_000, `the telexes up to ${number}`);
    // Some runtimes do not keep the order in which a socket is told to send.
    assert.deepEqual(told.sort(), expected.sort());
    telexes += told.length;
    told = [];
  }
  assert.ok(telexes > COUNT / 5 && telexes < COUNT / 2);
  await peer.sendAsync(0, "the last message");
  await until(() => messages.at(-1) === "the last message", 20_000, "the last message");
  assert.equal(messages.length, COUNT / BATCH + 1);
  messages.slice(0, -1).forEach((message, i) =>
    assert.equal(message, `{"number":${(i + 1) * BATCH}}`)
  );
  assert.deepEqual(connects, []);
  assert.equal(server.peers().length, 1);
  stranger.close();
});

test("A host answers a telex from its port, and knows where it came from", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { server, client } = pair;
  server.on("telex", (buffer, { address, port }) => {
    assert.deepEqual(server.receivedAddress(), { address, port });
    server.send(address, port, buffer);
  });
  const answer = next(client, "telex");
  await client.sendAsync("localhost", addressOf(server).port, '{"ping":1}\n');
  const [buffer, source] = await withDeadline(answer, 20_000, "the answer");
  assert.equal(buffer.toString(), '{"ping":1}\n');
  assert.equal(source.port, addressOf(server).port);
});
