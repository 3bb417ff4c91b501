/** How a program receives: iterations, borrowed data, values, back-pressure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  client as clientOf,
  type Connection,
  GetError,
  type IncomingRequest,
  json,
  Messenger,
  PacketFlag,
  type Payload,
  RefusalCode,
  serve,
} from "../../../lib/messaging/mod.ts";
import { Packet } from "../../../mod.ts";
import { errorOf, until } from "../../_helpers.ts";
import { connected, describe, onBoth, urlOf } from "./_messaging.ts";

onBoth("a program iterates over a listener and over its connections", async (protocol, log) => {
  const listener = await Messenger.listen(`${protocol}://127.0.0.1:0`);
  assert.throws(() => {
    const first = listener[Symbol.asyncIterator]();
    try {
      listener[Symbol.asyncIterator]();
    } finally {
      void first.return?.();
    }
  }, TypeError);
  const served = (async () => {
    for await (const connection of listener) {
      log.add("server", "ready");
      for await (const incoming of connection) {
        const text = incoming.data.text();
        log.add("server", `${incoming.type} ${text}`);
        if (incoming.type === "request") incoming.reply(text.toUpperCase());
      }
      log.add("server", `over ${connection.end?.reason}`);
    }
    log.add("server", "no more");
  })();
  for (const name of ["a", "b"]) {
    const client = await Messenger.connect(urlOf(listener));
    client.send(`hello from ${name}`);
    log.add("client", (await client.get(name)).text());
    client.send("bye");
    await client.close();
    await until(() => log.sides.server?.at(-1)?.startsWith("over"), 20_000, "the end");
  }
  await listener.close();
  await served;
}, {
  client: ["A", "B"],
  server: [
    ...["a", "b"].flatMap((name) => [
      "ready",
      `message hello from ${name}`,
      `request ${name}`,
      "message bye",
      "over remote",
    ]),
    "no more",
  ],
});

onBoth("data is borrowed until its handler returns, and a reply stays", async (protocol) => {
  for (const size of [5, 5000, 200_000]) {
    const kept: Payload[] = [];
    let borrowed: Payload | undefined;
    let view: Uint8Array | undefined;
    await using pair = await connected(protocol, {
      server: {
        message(_, data) {
          if (data.length < size) return void kept.push(data.retain());
          borrowed = data;
          view = data.view;
          assert.equal(view.length, size);
          assert.ok(view.every((byte) => byte === 7));
        },
        request: (request) => request.data,
      },
    });
    const { client } = pair;
    client.send(new Uint8Array(size).fill(7));
    client.send("kept");
    const reply = await client.get(new Uint8Array(size).fill(9));
    const { bytes } = reply;
    for (let i = 0; i < 50; i++) (await client.get(new Uint8Array(size).fill(i))).dispose();
    assert.equal(kept[0].text(), "kept");
    assert.equal(kept[0].value, "kept");
    assert.ok(bytes.length === size && bytes.every((byte) => byte === 9));
    assert.equal(reply.bytes, bytes);
    assert.ok(reply.view.every((byte) => byte === 9));
    for (const late of ["text", "bytes", "view", "retain"] as const) {
      assert.throws(
        () => late === "text" || late === "retain" ? borrowed?.[late]() : borrowed?.[late],
        { code: "ENETJS_ERR_RELEASED" },
      );
    }
    // A view that is kept too long is empty or shows the same bytes, but never others.
    assert.ok(view?.length === 0 || view?.every((byte) => byte === 7));
    kept[0].dispose();
    assert.throws(() => kept[0].text(), { code: "ENETJS_ERR_RELEASED" });
    reply.dispose();
    assert.throws(() => reply.view, { code: "ENETJS_ERR_RELEASED" });
    assert.equal(bytes[0], 9);
  }
});

onBoth("the data of an iteration is borrowed until the next one", async (protocol) => {
  await using pair = await connected(protocol);
  for (const text of ["one", "two", "three"]) pair.client.send(text);
  const seen: Payload[] = [];
  for await (const { data } of pair.server) {
    assert.equal(data.length, data.text().length);
    seen.push(data.text() === "two" ? data.retain() : data);
    if (seen.length === 3) break;
  }
  assert.throws(() => seen[0].text(), { code: "ENETJS_ERR_RELEASED" });
  assert.equal(seen[1].text(), "two");
  assert.throws(() => seen[2].text(), { code: "ENETJS_ERR_RELEASED" });
});

onBoth("text, bytes, values and nothing arrive as what they are", async (protocol) => {
  await using pair = await connected(protocol, {
    listen: { codec: json },
    connect: { codec: json },
    server: { request: (request) => void request.reply(request.data) },
  });
  const { client } = pair;
  const echo = async (data?: unknown) => {
    using reply = await client.get(data);
    return reply.value;
  };
  assert.equal(await echo("grüß"), "grüß");
  assert.equal(await echo(""), "");
  assert.equal(await echo("x".repeat(100_000)), "x".repeat(100_000));
  assert.equal(await echo("ü".repeat(30_000)), "ü".repeat(30_000));
  assert.deepEqual(await echo(new Uint8Array([1, 2])), new Uint8Array([1, 2]));
  assert.deepEqual(await echo(new Uint8Array([1, 2]).buffer), new Uint8Array([1, 2]));
  assert.deepEqual(await echo(new Uint16Array([258])), new Uint8Array([2, 1]));
  assert.deepEqual(await echo(Packet.from("packet")), new TextEncoder().encode("packet"));
  assert.deepEqual(await echo({ a: [1, null, "x"] }), { a: [1, null, "x"] });
  assert.equal(await echo(null), null);
  assert.equal(await echo(0), 0);
  assert.equal(await echo(), undefined);
  await assert.rejects(client.get(() => {}), TypeError);
  assert.throws(() => client.send(Symbol("x")), TypeError);
});

onBoth("a value needs a codec, on both sides", async (protocol) => {
  await using pair = await connected(protocol, {
    connect: { codec: json },
    server: { request: (request) => request.data.value },
  });
  const error = await errorOf(pair.client.get({ a: 1 }));
  assert.match(error.message, /codec/);
  assert.throws(() => pair.server.send({ a: 1 }), /codec: json/);
});

onBoth("data that is too large is never sent, and the connection goes on", async (protocol) => {
  await using pair = await connected(protocol, {
    listen: { maximumMessageSize: 1000 },
    connect: { maximumMessageSize: 1000 },
    server: { request: (request) => "x".repeat(Number(request.data.text())) },
  });
  const { client } = pair;
  assert.throws(() => client.send("x".repeat(1001)), { code: "ENETJS_ERR_TOO_LARGE" });
  const error = await errorOf(client.get("x".repeat(1001)));
  assert.ok(error instanceof GetError && error.outcome === "never-sent");
  assert.equal(error.code, "ENETJS_ERR_TOO_LARGE");
  assert.equal((await client.get("1000")).length, 1000);
  assert.equal(
    describe(await errorOf(client.get("1001"))),
    `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.FAILED}`,
  );
  assert.equal(client.stats.pendingGets, 0);
});

onBoth("send tells that the queue is full, and drain that it is not", async (protocol) => {
  let received = 0;
  await using pair = await connected(protocol, {
    connect: { highWaterMark: 100_000 },
    server: { message: (_, data) => void (received += data.length) },
  });
  const { client } = pair;
  await client.drain();
  const bytes = new Uint8Array(10_000);
  for (let round = 1; round <= 5; round++) {
    let sent = 0;
    while (client.send(bytes)) assert.ok(++sent < 1000);
    assert.ok(sent >= 4, String(sent));
    assert.ok(client.stats.queuedBytes > 50_000);
    await client.drain();
    assert.ok(client.stats.queuedBytes <= 60_000);
  }
  await until(() => received === client.stats.sentMessages * bytes.length, 10_000, "all of it");
});

onBoth("a slow iteration holds the sender back, and loses nothing", async (protocol) => {
  const count = 3000;
  await using pair = await connected(protocol, {
    listen: { maximumWaitingData: 50_000 },
    connect: { highWaterMark: 100_000 },
  });
  const { client, server } = pair;
  const sending = (async () => {
    const bytes = new Uint8Array(2000);
    for (let i = 0; i < count; i++) {
      new DataView(bytes.buffer).setUint32(0, i);
      if (!client.send(bytes)) await client.drain();
    }
    return await client.get("done", { timeoutMs: 0 });
  })();
  let next = 0;
  let most = 0;
  for await (const incoming of server) {
    if (incoming.type === "request") {
      incoming.reply();
      break;
    }
    const { view } = incoming.data;
    assert.equal(new DataView(view.buffer, view.byteOffset).getUint32(0), next++);
    most = Math.max(most, server.stats.waitingBytes);
    if (next % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await sending;
  assert.equal(next, count);
  assert.equal(server.stats.droppedMessages, 0);
  // A little more than the limit, and never what the sender would like to send.
  assert.ok(most < 1_000_000, String(most));
});

onBoth("a get within a loop over a full inbox still has its reply", async (protocol) => {
  const { promise: isIterating, resolve: iterate } = Promise.withResolvers<void>();
  await using pair = await connected(protocol, {
    listen: { maximumWaitingData: 20_000 },
    client: { request: () => "reply" },
  });
  const { client, server } = pair;
  client.send("first");
  const sending = isIterating.then(() => {
    for (let i = 1; i < 150; i++) client.send(new Uint8Array(300));
  });
  let asked = 0;
  for await (const incoming of server) {
    assert.equal(incoming.type, "message");
    iterate();
    assert.equal((await server.get("?")).text(), "reply");
    if (++asked === 150) break;
  }
  await sending;
});

onBoth("a client that takes no messages still has its replies", async (protocol) => {
  await using pair = await connected(protocol, {
    connect: { maximumWaitingData: 10_000 },
    server: { request: (request) => request.data.text() },
  });
  const { client, server } = pair;
  for (let i = 0; i < 1000; i++) server.send(new Uint8Array(100));
  assert.equal(
    describe(await errorOf(server.get(new Uint8Array(500)))),
    `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.BUSY}`,
  );
  assert.equal((await client.get("reply")).text(), "reply");
  const { droppedMessages, waitingBytes, refusedRequests } = client.stats;
  assert.ok(droppedMessages > 900, String(droppedMessages));
  assert.ok(waitingBytes <= 10_000);
  assert.equal(refusedRequests, 1);
});

onBoth(
  "what waits goes to handlers that are set later, in order, before the end",
  async (protocol, log) => {
    await using pair = await connected(protocol);
    const { client, server } = pair;
    for (let i = 0; i < 20; i++) client.send(String(i));
    await until(() => server.stats.receivedMessages === 20, 20_000, "the messages");
    server.handlers = {
      message: (_, data) => log.add("server", data.text()),
      closed: () => log.add("server", "closed"),
    };
    assert.throws(() => server[Symbol.asyncIterator](), TypeError);
    await client.close();
    await log.seen("server", "closed");
  },
  { server: [...Array.from({ length: 20 }, (_, i) => String(i)), "closed"] },
);

onBoth("handlers cannot be set within a loop, and only known ones can", async (protocol) => {
  await using pair = await connected(protocol);
  const { server } = pair;
  const iteration = server[Symbol.asyncIterator]();
  assert.throws(() => server[Symbol.asyncIterator](), TypeError);
  assert.throws(() => server.handlers = { message() {} }, TypeError);
  server.handlers = { closed() {} };
  assert.throws(() => server.handlers = { mesage() {} } as object, /did you mean/);
  const next = iteration.next();
  await iteration.return?.();
  assert.equal((await next).done, true);
  server.handlers = { message() {} };
});

onBoth("a message may be sent with other flags", async (protocol) => {
  const seen: string[] = [];
  await using pair = await connected(protocol, {
    server: { message: (_, data) => void seen.push(data.text()) },
  });
  for (const flags of Object.values(PacketFlag)) pair.client.send(String(flags), { flags });
  await until(() => seen.length === 5, 20_000, "the messages");
  assert.deepEqual(seen.toSorted(), ["0", "1", "10", "2", "8"]);
  assert.throws(() => pair.client.send("x", { flags: 3 as never }), RangeError);
});

onBoth("the context is the program's own, and misspelt properties are errors", async (protocol) => {
  await using pair = await connected(protocol, { connect: { context: { name: "me" } } });
  const client = pair.client as Connection<{ name: string }>;
  assert.equal(client.context.name, "me");
  assert.equal(pair.server.context, undefined);
  pair.server.context = 5;
  assert.equal(pair.listener.connections[0].context, 5);
  assert.throws(() => (client as unknown as { contxt: number }).contxt = 1, TypeError);
  assert.equal(client.protocol, protocol);
  assert.equal(client.address.port, pair.listener.address.port);
});

onBoth("functions of the other side are called", async (protocol, log) => {
  const api = {
    add: (a: number, b: number) => a + b,
    later: async (text: string) => {
      await Promise.resolve();
      return { text };
    },
    fails(): void {
      throw new Error("not today");
    },
    nothing() {},
    self() {
      return Object.keys(this).length;
    },
    value: 5,
  };
  const codec = json;
  await using pair = await connected(protocol, {
    listen: { codec },
    connect: { codec },
    server: { ready: (connection) => serve(connection, api) },
  });
  const remote = clientOf<typeof api>(pair.client);
  assert.equal(await remote.add(1, 2), 3);
  assert.deepEqual(await remote.later("x"), { text: "x" });
  assert.equal(await remote.nothing(), undefined);
  assert.equal(await remote.self(), 6);
  const other = remote as unknown as Record<string, () => Promise<unknown>>;
  for (const name of ["fails", "value", "missing", "constructor", "toString", "__proto__"]) {
    log.add("client", describe(await errorOf(other[name]())));
  }
  for (const call of ["text", 5, null, [], [{}], [["add"]]]) {
    log.add("raw", describe(await errorOf(pair.client.get(call))));
  }
  assert.equal(await Promise.resolve(remote), remote, "no promise");
}, {
  client: [
    `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.FAILED}`,
    ...Array.from(
      { length: 5 },
      () => `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.UNHANDLED}`,
    ),
  ],
  raw: Array.from(
    { length: 6 },
    () => `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.UNHANDLED}`,
  ),
});

onBoth(
  "a served function that gets the request can refuse, and knows when nobody waits",
  async (protocol) => {
    const aborted = Promise.withResolvers<void>();
    const codec = json;
    const api = (request: IncomingRequest) => ({
      who: () => request.connection.protocol,
      forbidden: () => void request.refuse(403, "not for you"),
      slow: () =>
        new Promise<void>(() => request.signal.addEventListener("abort", () => aborted.resolve())),
    });
    await using pair = await connected(protocol, {
      listen: { codec },
      connect: { codec },
      server: { ready: (connection) => serve(connection, api) },
    });
    const remote = clientOf<ReturnType<typeof api>>(pair.client);
    assert.equal(await remote.who(), protocol);
    assert.equal((await errorOf(remote.forbidden())).data, 403);
    const impatient = clientOf<ReturnType<typeof api>>(pair.client, { timeoutMs: 50 });
    assert.equal((await errorOf(impatient.slow())).code, "ENETJS_ERR_REPLY_TIMEOUT");
    await aborted.promise;
  },
);

onBoth("an error says whether it does no harm to ask again", async (protocol) => {
  const requests: IncomingRequest[] = [];
  await using pair = await connected(protocol, {
    listen: { maximumRequests: 1 },
    server: { request: (request) => void requests.push(request) },
  });
  const { client } = pair;
  const error = async (promise: Promise<unknown>) => await errorOf(promise) as GetError;
  const end = new AbortController();
  const unknown = error(client.get("1", { signal: end.signal }));
  assert.equal((await error(client.get("2"))).retryable, true); // busy
  end.abort();
  assert.equal((await unknown).retryable, false);
  assert.equal(requests[0].idempotent, false);
  const idempotent = await error(client.get("3", { timeoutMs: 20, idempotent: true }));
  assert.deepEqual([idempotent.outcome, idempotent.retryable], ["unknown", true]);
  await until(() => requests.length === 2, 20_000, "the request");
  assert.equal(requests[1].idempotent, true);
  await client.close();
  assert.equal((await error(client.get("4"))).retryable, true);
});

test("An error of a handler of messages is an uncaught one, and the connection goes on", async () => {
  const { spawnRuntime, currentRuntime } = await import("../../_helpers.ts");
  await using program = spawnRuntime(currentRuntime(), "messenger_throwing.ts");
  const { stdout, stderr } = await program.ended;
  assert.match(stdout, /uncaught thrown by message\n/, stderr);
  assert.match(stdout, /uncaught thrown by ready\n/);
  assert.match(stdout, /reply still here\n/);
  assert.match(stdout, /uncaught thrown by closed\n/);
});

onBoth("a flood of messages lets timers run in between", async (protocol) => {
  const count = 3000;
  let received = 0;
  let atTimer = count;
  await using pair = await connected(protocol, {
    server: {
      message() {
        if (received++ === 0) setTimeout(() => atTimer = received, 0);
        const end = performance.now() + 0.05;
        while (performance.now() < end);
      },
    },
  });
  for (let i = 0; i < count; i++) pair.client.send("x");
  await until(() => received === count, 20_000, "the messages");
  assert.ok(atTimer < count, String(atTimer));
});

onBoth(
  "nothing is lost that waited for a slow iteration when the other side closed",
  async (protocol) => {
    const count = 5000;
    let received = 0;
    const served = Promise.withResolvers<void>();
    await using listener = await Messenger.listen(`${protocol}://127.0.0.1:0`, {
      maximumWaitingData: 1,
    }, {
      ready: async (connection) => {
        for await (const incoming of connection) {
          assert.equal(incoming.data.text(), String(received++));
          // The end comes while much waits, and the iteration goes on while that is handed out.
          if (received % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        served.resolve();
      },
    });
    const connection = await Messenger.connect(urlOf(listener), { closeGraceMs: 20_000 });
    for (let i = 0; i < count; i++) connection.send(String(i));
    await connection.close();
    await served.promise;
    assert.equal(received, count);
  },
);

onBoth("whatever a handler throws is a refusal", async (protocol, log) => {
  await using pair = await connected(protocol, {
    server: {
      request({ data }) {
        const thrown = Object.create(null); // it has no toString
        if (data.text() === "late") return Promise.reject(thrown);
        throw thrown;
      },
    },
  });
  for (const text of ["now", "late", "now"]) {
    log.add("client", describe(await errorOf(pair.client.get(text))));
  }
}, {
  client: Array.from(
    { length: 3 },
    () => `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.FAILED}`,
  ),
});

onBoth("replies that come late do not queue without limit either", async (protocol, log) => {
  const maximumQueuedBytes = 1_000_000;
  const requests: IncomingRequest[] = [];
  await using pair = await connected(protocol, {
    listen: { maximumQueuedBytes },
    server: {
      request: (request) => void requests.push(request),
      closed: (_connection, { reason }) => log.add("server", reason),
    },
  });
  const gets = Promise.allSettled(Array.from({ length: 200 }, () => pair.client.get("")));
  await until(() => requests.length === 200, 10_000, "the requests");
  // All in one turn, in which the other side reads nothing over tcp, and takes less than this over udp.
  const [{ connection }] = requests;
  let most = 0;
  for (const request of requests) {
    request.reply(new Uint8Array(100_000));
    most = Math.max(most, connection.stats.queuedBytes);
  }
  assert.equal(connection.end, undefined); // not told within a call
  assert.ok(most < maximumQueuedBytes + 200_000, String(most));
  await log.seen("server", "lost");
  const settled = await gets;
  assert.equal(settled.at(-1)?.status, "rejected");
  for (const result of settled) if (result.status === "fulfilled") result.value.dispose();
}, { server: ["lost"] });

onBoth("gets do not queue without limit, and those above it are never sent", async (protocol) => {
  const maximumQueuedBytes = 1_000_000;
  await using pair = await connected(protocol, {
    connect: { maximumQueuedBytes, getTimeoutMs: 0 },
    server: { request: ({ data }) => `${data.length} bytes` },
  });
  const { client } = pair;
  const ask = (size: number) =>
    client.get(new Uint8Array(size)).then((reply) => reply.text(), describe);
  // All in one turn, in which the other side reads nothing over tcp, and takes less than this over udp.
  let most = 0;
  const gets = Array.from({ length: 200 }, () => {
    const get = ask(100_000);
    most = Math.max(most, client.stats.queuedBytes);
    return get;
  });
  assert.ok(most < maximumQueuedBytes + 200_000, String(most));
  const ends = new Set(await Promise.all(gets));
  assert.deepEqual(ends, new Set(["100000 bytes", "ENETJS_ERR_LIMIT never-sent"]));
  // The connection goes on.
  await client.drain();
  assert.equal(await ask(7), "7 bytes");
});

onBoth("handlers that are set while nothing happens get all that waits", async (protocol) => {
  const count = 1000;
  // No heartbeat begins a turn of the event loop.
  const options = { heartbeatMs: 3_600_000, lostMs: 7_200_000 };
  await using pair = await connected(protocol, { listen: options, connect: options });
  const { client, server } = pair;
  for (let i = 0; i < count; i++) client.send("x");
  await until(() => server.stats.receivedMessages === count, 20_000, "the messages");
  const start = performance.now();
  while (performance.now() < start + 20);
  let seen = 0;
  server.handlers = { message: () => void seen++ };
  await until(() => seen === count, 20_000, "the messages that have waited");
});
