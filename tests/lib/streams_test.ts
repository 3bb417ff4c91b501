import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type ENetError, Host, type Peer } from "../../mod.ts";
import { connectedPair, leakCheck, type Pair, until, withDeadline } from "../_helpers.ts";
import { randomOf } from "../_relay.ts";

const MEBIBYTE = 2 ** 20;

/** Everything a stream gives, as the lengths of its chunks and one digest. */
async function drain(stream: ReadableStream<Uint8Array>) {
  const hash = createHash("sha256");
  const lengths: number[] = [];
  for await (const chunk of stream) {
    lengths.push(chunk.length);
    hash.update(chunk);
  }
  return { lengths, digest: hash.digest("hex") };
}

const digestOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function randomBytes(length: number, seed: number): Uint8Array {
  const random = randomOf(seed);
  return new Uint8Array(length).map(() => random() * 256);
}

const code = (code: string) => (error: unknown) => (error as ENetError).code === code;

/** Takes the host's events from now on, so that nobody else is waited for. */
function collect(host: Host): string[] {
  const seen: string[] = [];
  (async () => {
    for await (const event of host) {
      seen.push(
        event.type === "receive" ? `${event.channelId} ${event.packet.text()}` : event.type,
      );
    }
  })();
  return seen;
}

test("A chunk is a message, and the stream closes after the last one", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const writer = pair.peer.writable(1).getWriter();
  const chunks = ["text", randomBytes(10, 1), randomBytes(200_000, 2).buffer as ArrayBuffer];
  const read = drain(pair.remote.readable(1));
  for (const chunk of chunks) await writer.write(chunk);
  await writer.write(new Uint8Array(0));
  await writer.close();
  assert.equal(pair.peer.stats.queuedMessages, 0, "closing has waited for the acknowledgements");
  await pair.peer.disconnect();
  const { lengths } = await withDeadline(read, 10_000, "the end of the stream");
  assert.deepEqual(lengths, [4, 10, 200_000]);
});

test("A chunk that is larger than chunkSize is sent as several messages", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { maximumPacketSize: 100_000 } });
  const bytes = randomBytes(250_001, 3);
  const whole = pair.peer.writable(0).getWriter();
  const cut = pair.peer.writable(1, { chunkSize: 100 }).getWriter();
  const read = Promise.all([drain(pair.remote.readable(0)), drain(pair.remote.readable(1))]);
  await whole.write(bytes);
  await cut.write("x".repeat(250));
  await Promise.all([whole.close(), cut.close()]);
  await pair.peer.disconnect();
  const [first, second] = await withDeadline(read, 10_000, "the ends of the streams");
  assert.deepEqual(first, { lengths: [100_000, 100_000, 50_001], digest: digestOf(bytes) });
  assert.deepEqual(second.lengths, [100, 100, 50]);
});

test("Bytes come the same both ways at once", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const sides: [Peer, Peer][] = [[pair.peer, pair.remote], [pair.remote, pair.peer]];
  const results = sides.map(async ([from, to], seed) => {
    const bytes = randomBytes(3 * MEBIBYTE, seed);
    const reader = to.readable(0).getReader();
    const source = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
    const written = source.pipeTo(from.writable(0) as WritableStream<Uint8Array>);
    const hash = createHash("sha256");
    for (let got = 0; got < bytes.length;) {
      const { value } = await reader.read();
      hash.update(value as Uint8Array);
      got += (value as Uint8Array).length;
    }
    await written;
    assert.equal(hash.digest("hex"), digestOf(bytes));
  });
  await withDeadline(Promise.all(results), 20_000, "both ways");
});

test("A stream takes its channel from the host and from an iteration, and gives it back", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote, server } = pair;
  peer.send(0, "kept for the stream");
  await peer.deliver(1, "kept for the host");
  const stream = remote.readable(0);
  assert.throws(() => remote.readable(0), TypeError);
  const reader = stream.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "kept for the stream");
  const messages: string[] = [];
  const iteration = (async () => {
    for await (const { channelId, packet } of remote) {
      messages.push(`${channelId} ${packet.text()}`);
    }
  })();
  peer.send(0, "for the stream");
  await peer.deliver(1, "for the iteration");
  assert.equal(new TextDecoder().decode((await reader.read()).value), "for the stream");
  await until(() => messages.length === 2, 20_000, "the other channel");
  assert.deepEqual(messages, ["1 kept for the host", "1 for the iteration"]);
  peer.send(0, "dropped with the stream");
  peer.send(0, "dropped too");
  peer.send(1, "behind them");
  await until(() => messages.length === 3, 20_000, "what comes behind those of the stream");
  await reader.cancel();
  await peer.deliver(0, "again for the iteration");
  await until(() => messages.length === 4, 20_000, "the channel that was given back");
  assert.deepEqual(messages.slice(2), ["1 behind them", "0 again for the iteration"]);
  await server.close();
  await iteration;
});

test("Beside a stream, the host reports the other channels and every other event", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const stream = pair.remote.readable(0);
  const seen = collect(pair.server);
  pair.peer.send(0, "for the stream");
  pair.peer.send(1, "for the host");
  await pair.peer.disconnectLater();
  assert.deepEqual((await drain(stream)).lengths, [14]);
  await until(() => seen.includes("disconnect"), 20_000, "the disconnect event");
  assert.deepEqual(seen, ["connect", "1 for the host", "disconnect"]);
});

test("A stream takes its channel from handlers", async (t) => {
  await leakCheck(t);
  const seen: number[] = [];
  await using pair = await connectedPair({
    serverHandlers: { receive: (_peer, channelId) => void seen.push(channelId) },
  });
  const reader = pair.remote.readable(1).getReader();
  await pair.peer.deliver(1, "for the stream");
  await pair.peer.deliver(0, "for the handler");
  assert.equal((await reader.read()).value?.length, 14);
  await until(() => seen.length > 0, 20_000, "the handler");
  assert.deepEqual(seen, [0]);
});

/** From now on, everything that the client sends or receives is lost. */
function cut({ client }: Pair): void {
  client.conditions = { loss: 1 };
}

test("When the connection is lost, what has come is given, then the stream fails", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  remote.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  const reader = remote.readable(0).getReader();
  const writer = remote.writable(0).getWriter();
  peer.send(0, "one");
  await peer.deliver(0, "two");
  cut(pair);
  await writer.write("never acknowledged");
  await assert.rejects(
    withDeadline(writer.closed, 10_000, "the failure"),
    code("ENETJS_ERR_UNDELIVERED"),
  );
  assert.equal((await reader.read()).value?.length, 3);
  assert.equal((await reader.read()).value?.length, 3);
  await assert.rejects(reader.read(), code("ENETJS_ERR_STALE"));
  await assert.rejects(reader.closed, code("ENETJS_ERR_STALE"));
  await writer.closed.catch(() => {});
});

test("peer.reset() fails streams, host.close() ends them", async (t) => {
  await leakCheck(t);
  await using reset = await connectedPair();
  const failing = reset.peer.readable(0).getReader();
  reset.peer.reset();
  await assert.rejects(failing.read(), code("ENETJS_ERR_STALE"));
  await using closed = await connectedPair();
  const [here, there] = [closed.peer.readable(0), closed.remote.readable(0)].map(drain);
  const writer = closed.peer.writable(0).getWriter();
  await writer.write("last words");
  const failed = assert.rejects(writer.closed, code("ENETJS_ERR_STALE"));
  await closed.client.close();
  assert.deepEqual((await here).lengths, []);
  assert.deepEqual((await withDeadline(there, 10_000, "the end")).lengths, [10]);
  await failed;
});

test("After the connection, a readable closes at once and a writable fails", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  await pair.peer.disconnect();
  assert.deepEqual((await drain(pair.peer.readable(0))).lengths, []);
  await assert.rejects(pair.peer.writable(0).getWriter().closed, code("ENETJS_ERR_STALE"));
});

test("Streams check channels and options", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { maximumPacketSize: 1000 } });
  const { peer } = pair;
  for (const channelId of [-1, 2, 0.5, NaN]) {
    assert.throws(() => peer.readable(channelId), RangeError);
    assert.throws(() => peer.writable(channelId), RangeError);
  }
  assert.throws(() => peer.readable("0" as unknown as number), TypeError);
  for (const chunkSize of [0, 1001, 1.5]) {
    assert.throws(() => peer.writable(0, { chunkSize }), RangeError);
  }
  assert.throws(() => peer.writable(0, { size: 1 } as Record<string, number>), TypeError);
  const writer = peer.writable(0).getWriter();
  await assert.rejects(writer.write(7 as unknown as string), TypeError);
  await writer.closed.catch(() => {});
});

test("A reader that does not read holds the writer back, and memory with it", async (t) => {
  await leakCheck(t);
  const limit = 2 * MEBIBYTE;
  await using pair = await connectedPair({ server: { maximumWaitingData: limit } });
  const { peer, remote } = pair;
  const reader = remote.readable(0).getReader();
  const writer = peer.writable(0).getWriter();
  const chunk = randomBytes(64 * 1024, 4);
  const count = 40 * MEBIBYTE / chunk.length;
  let written = 0;
  const writing = (async () => {
    for (; written < count; written++) await writer.write(chunk);
    await writer.close();
  })();
  const refusing = () => remote.stats.totalWaitingData > limit;
  await until(refusing, 10_000, "the reader's ENet refusing more");
  await until(() => (writer.desiredSize as number) <= 0, 10_000, "the source seeing it");
  // Both queues of 1 MiB, what waits natively, and what ENet has under way or out of order.
  const bound = (2.2 * MEBIBYTE + 2 * limit) / chunk.length;
  let lead = written;
  const hash = createHash("sha256");
  for (let got = 0; got < count * chunk.length;) {
    const { value } = await withDeadline(reader.read(), 10_000, "more");
    hash.update(value as Uint8Array);
    got += (value as Uint8Array).length;
    lead = Math.max(lead, written - got / chunk.length);
  }
  await withDeadline(writing, 10_000, "the end of writing");
  assert.ok(lead <= bound, `the writer was ${lead} chunks ahead, at most ${bound} are allowed`);
  const whole = createHash("sha256");
  for (let i = 0; i < count; i++) whole.update(chunk);
  assert.equal(hash.digest("hex"), whole.digest("hex"));
});

test("10 MiB over a network that loses 1 % arrive whole", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { conditions: { loss: 0.01, seed: 42 } } });
  const bytes = randomBytes(10 * MEBIBYTE, 5);
  const read = drain(pair.remote.readable(1));
  const source = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  await source.pipeTo(pair.peer.writable(1) as WritableStream<Uint8Array>);
  await pair.peer.disconnect();
  assert.equal((await withDeadline(read, 20_000, "the end")).digest, digestOf(bytes));
});

test("A writable counts acknowledged data as such when the client leaves at once", async (t) => {
  await leakCheck(t);
  const errors: string[] = [];
  let ended = 0;
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    async connect(peer) {
      const writer = peer.writable(0).getWriter();
      writer.closed.catch((error) => {
        errors.push(error.code);
        ended++;
      });
      await writer.write("hello");
      peer.send(1, "hello");
    },
  });
  await using client = await Host.create();
  for (let i = 1; i <= 50; i++) {
    const peer = await client.connect(server.address);
    let messages = 0;
    for await (const _ of peer) if (++messages === 2) break;
    await peer.disconnectLater();
    await until(() => ended === i, 10_000, "the end of the stream");
  }
  assert.deepEqual(new Set(errors), new Set(["ENETJS_ERR_STALE"]));
});

test("A writable says that bytes are lost when the other side takes no message of that size", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ server: { maximumPacketSize: 1000 } });
  const { peer } = pair;
  peer.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  const writer = peer.writable(0).getWriter();
  const closed = assert.rejects(writer.closed, code("ENETJS_ERR_UNDELIVERED"));
  await assert.rejects(writer.write(new Uint8Array(2_000_000)), code("ENETJS_ERR_UNDELIVERED"));
  await closed;
  assert.equal((await peer.closed).reason, "timeout");
});
