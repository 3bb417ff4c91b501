import assert from "node:assert/strict";
import {
  type IncomingRequest,
  Messenger,
  type MessengerHandlers,
  RefusalCode,
} from "../../../lib/messaging/mod.ts";
import { errorOf, until } from "../../_helpers.ts";
import { randomOf } from "../../_relay.ts";
import { connected, describe, describeEnd, logging, onBoth, urlOf } from "./_messaging.ts";

onBoth("a server and a client in a golden cycle", async (protocol, log) => {
  const listener = await Messenger.listen(`${protocol}://127.0.0.1:0`, {}, {
    ...logging(log, "server"),
    request(request) {
      log.add("server", `request ${request.data.text()}`);
      return `re: ${request.data.text()}`;
    },
  });
  assert.equal(listener.address.protocol, protocol);
  assert.ok(listener.address.port > 0);
  const client = await Messenger.connect(urlOf(listener), {}, logging(log, "client"));
  client.send("one");
  const reply = await client.get("two");
  log.add("client", `reply ${reply.text()}`);
  listener.connections[0].send("three");
  await log.seen("client", "message three");
  log.add("client", `close ${describeEnd(await client.close())}`);
  await log.seen("server", "closed");
  await listener.close();
}, {
  server: ["ready", "message one", "request two", "closed remote"],
  client: ["ready", "reply re: two", "message three", "closed local", "close local"],
});

onBoth("both sides send and get from within their handlers", async (protocol, log) => {
  const answer = (side: string) => async (request: IncomingRequest) => {
    const depth = Number(request.data.text());
    log.add(side, `asked ${depth}`);
    if (depth === 0) return "the end";
    request.connection.send(`before ${depth}`);
    return (await request.connection.get(String(depth - 1))).text();
  };
  await using pair = await connected(protocol, {
    server: { ...logging(log, "server"), request: answer("server") },
    client: { ...logging(log, "client"), request: answer("client") },
  });
  log.add("client", (await pair.client.get("5")).text());
  log.add("server", (await pair.server.get("2")).text());
}, {
  client: [
    "ready",
    "message before 5",
    "asked 4",
    "message before 3",
    "asked 2",
    "message before 1",
    "asked 0",
    "the end",
    "asked 2",
    "message before 1",
    "asked 0",
    "closed local",
  ],
  server: [
    "ready",
    "asked 5",
    "message before 4",
    "asked 3",
    "message before 2",
    "asked 1",
    "message before 2",
    "asked 1",
    "the end",
    "closed remote",
  ],
});

onBoth("1,000 gets in flight are answered in random order", async (protocol) => {
  const random = randomOf(5);
  const waiting: IncomingRequest[] = [];
  await using pair = await connected(protocol, {
    server: {
      request(request) {
        request.data.retain();
        waiting.push(request);
        if (waiting.length < 1000) return;
        waiting.sort(() => random() - 0.5);
        for (const one of waiting) one.reply(`${one.data.text()}!`);
      },
    },
  });
  const gets = Array.from({ length: 1000 }, (_, i) => pair.client.get(String(i)));
  const replies = await Promise.all(gets);
  assert.deepEqual(replies.map((reply) => reply.text()), replies.map((_, i) => `${i}!`));
  assert.equal(pair.client.stats.pendingGets, 0);
  assert.equal(pair.server.stats.openRequests, 0);
});

onBoth("70,000 gets are in flight at once", async (protocol) => {
  const count = 70_000;
  const waiting: IncomingRequest[] = [];
  await using pair = await connected(protocol, {
    listen: { maximumRequests: count },
    connect: { getTimeoutMs: 0 },
    server: {
      request(request) {
        if (waiting.push(request) < count) return;
        assert.equal(pair.server.stats.openRequests, count);
        for (const one of waiting.reverse()) one.reply("x");
      },
    },
  });
  const gets = Array.from({ length: count }, () => pair.client.get("?"));
  assert.equal(pair.client.stats.pendingGets, count);
  for (const reply of await Promise.all(gets)) assert.equal(reply.length, 1);
  assert.equal(pair.client.stats.receivedReplies, count);
});

onBoth("2,000 gets one after the other", async (protocol) => {
  await using pair = await connected(protocol, {
    server: { request: (request) => request.data.text() },
  });
  for (let i = 0; i < 2000; i++) {
    assert.equal((await pair.client.get(String(i))).text(), String(i));
  }
});

onBoth("a get is cancelled, times out, and is answered late", async (protocol, log) => {
  const requests: IncomingRequest[] = [];
  await using pair = await connected(protocol, {
    server: {
      request(request) {
        requests.push(request);
        const text = request.data.text();
        request.signal.addEventListener("abort", () => log.add("server", `aborted ${text}`));
      },
    },
  });
  const { client } = pair;
  const end = new AbortController();
  const cancelled = client.get("cancelled", { signal: end.signal });
  await until(() => requests.length === 1, 20_000, "the request");
  end.abort(new Error("no more"));
  const error = await errorOf(cancelled);
  log.add("client", describe(error));
  assert.equal((error.cause as Error).message, "no more");
  await log.seen("server", "aborted cancelled");
  assert.equal(requests[0].open, false);
  assert.equal(requests[0].reply("too late"), false);
  assert.throws(() => requests[0].reply("twice"), { code: "ENETJS_ERR_ALREADY_REPLIED" });
  log.add("client", describe(await errorOf(client.get("late", { timeoutMs: 30 }))));
  await log.seen("server", "aborted late");
  assert.equal(requests[1].reply("too late"), false);
  const aborted = AbortSignal.abort();
  log.add("client", describe(await errorOf(client.get("never", { signal: aborted }))));
  assert.equal(requests.length, 2);
  assert.equal(client.stats.pendingGets, 0);
  assert.equal(pair.server.stats.openRequests, 0);
}, {
  client: [
    "ENETJS_ERR_CANCELLED unknown",
    "ENETJS_ERR_REPLY_TIMEOUT unknown",
    "ENETJS_ERR_CANCELLED never-sent",
  ],
  server: ["aborted cancelled", "aborted late"],
});

onBoth("a reply that crosses with a cancellation is dropped and counted", async (protocol) => {
  await using pair = await connected(protocol, {
    server: {
      request(request) {
        if (request.data.text() === "first") request.reply("crosses");
        else return "second";
      },
    },
  });
  const end = new AbortController();
  const first = pair.client.get("first", { signal: end.signal });
  const rejected = errorOf(first);
  // The server answers at once, and the client cancels before it reads the answer.
  end.abort();
  await rejected;
  assert.equal((await pair.client.get("next")).text(), "second");
  const { lateReplies } = pair.client.stats;
  assert.ok(lateReplies <= 1);
  assert.equal(pair.client.stats.receivedReplies, 1);
});

onBoth("a handler refuses, throws, answers twice, and is not there", async (protocol, log) => {
  await using pair = await connected(protocol, {
    server: {
      async request(request) {
        switch (request.data.text()) {
          case "refuse":
            return void request.refuse(404, "no such thing");
          case "throw":
            throw new Error("broken inside");
          case "throw text":
            throw "only text";
          case "reject":
            await Promise.resolve();
            throw new RangeError("broken later");
          case "twice":
            request.reply("first");
            assert.throws(() => request.reply("second"), { code: "ENETJS_ERR_ALREADY_REPLIED" });
            assert.throws(() => request.refuse(1), { code: "ENETJS_ERR_ALREADY_REPLIED" });
            return "third";
          case "object":
            return { a: 1 };
          case "nothing":
            return void request.reply();
        }
      },
    },
    client: { message() {} },
  });
  for (const request of ["refuse", "throw", "throw text", "reject", "object"]) {
    const error = await errorOf(pair.client.get(request));
    assert.doesNotMatch(error.message, /\n|messenger_test/, "no stack");
    const text = error.message.replace(/^.* with (code \d+|RefusalCode\.\w+): /, "");
    log.add("client", `${describe(error)}: ${text.slice(0, 34)}`);
  }
  log.add("client", (await pair.client.get("twice")).text());
  const nothing = await pair.client.get("nothing");
  log.add("client", `${nothing.length} ${nothing.value}`);
  log.add("server", describe(await errorOf(pair.server.get("anybody"))));
}, {
  client: [
    "ENETJS_ERR_REQUEST_REFUSED refused 404: no such thing",
    `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.FAILED}: broken inside`,
    `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.FAILED}: only text`,
    `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.FAILED}: broken later`,
    `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.FAILED}: data must be text or bytes, not an`,
    "first",
    "0 undefined",
  ],
  server: [`ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.UNHANDLED}`],
});

onBoth("1,000 pending gets settle once each, before the end is told", async (protocol, log) => {
  for (const who of ["server", "client"] as const) {
    let settled = 0;
    await using pair = await connected(protocol, {
      server: { request() {} },
      client: { message() {}, closed: () => log.add(`${who}, client`, `after ${settled}`) },
    });
    const gets = Array.from({ length: 1000 }, async () => {
      const error = await errorOf(pair.client.get("?"));
      settled++;
      return describe(error);
    });
    await until(() => pair.server.stats.openRequests === 1000, 10_000, "the requests");
    log.add(who, describeEnd(await pair[who].close()));
    log.add(who, describeEnd(await pair.client.closed));
    for (const outcome of new Set(await Promise.all(gets))) log.add(who, outcome);
    assert.equal(settled, 1000);
    log.add(who, describe(await errorOf(pair.client.get("late"))));
    assert.equal(pair.client.send("late"), false);
    log.add(who, describe(await errorOf(pair.client.drain())));
  }
});

onBoth("both sides close at once", async (protocol, log) => {
  const pair = await connected(protocol, {
    server: logging(log, "server"),
    client: logging(log, "client"),
  });
  const ends = await Promise.all([pair.client.close(), pair.server.close()]);
  assert.deepEqual(ends.map(({ reason }) => reason), ["local", "local"]);
  await pair[Symbol.asyncDispose]();
  assert.deepEqual(await pair.client.close(), await pair.client.closed);
}, {
  client: ["ready", "closed local"],
  server: ["ready", "closed local"],
});

onBoth("what was sent before a close arrives, and nothing after it", async (protocol, log) => {
  const pair = await connected(protocol, {
    server: logging(log, "server"),
    client: {
      closed: () => log.add("client", "closed"),
      message: () => log.add("client", "message"),
    },
  });
  for (let i = 0; i < 50; i++) pair.client.send(String(i));
  for (let i = 0; i < 50; i++) pair.server.send("never told");
  const closed = pair.client.close();
  assert.equal(pair.client.send("too late"), false);
  await closed;
  await log.seen("server", "closed");
  await pair[Symbol.asyncDispose]();
}, {
  client: ["closed"],
  server: [
    "ready",
    ...Array.from({ length: 50 }, (_, i) => `message ${i}`),
    "closed remote",
  ],
});

onBoth("a client comes back at once, again and again", async (protocol, log) => {
  await using listener = await Messenger.listen(`${protocol}://127.0.0.1:0`, {}, {
    ...logging(log, "server"),
    request: () => "here",
  });
  for (let i = 0; i < 5; i++) {
    const client = await Messenger.connect(urlOf(listener));
    assert.equal((await client.get()).text(), "here");
    await client.close();
    await until(() => listener.connections.length === 0, 20_000, "the end");
  }
}, { server: Array.from({ length: 5 }, () => ["ready", "closed remote"]).flat() });

onBoth("a connection that has ended makes room at once", async (protocol) => {
  const url = `${protocol}://127.0.0.1:0`;
  await using listener = await Messenger.listen(url, { connections: 1 }, { request: () => "here" });
  for (let i = 0; i < 30; i++) {
    const client = await Messenger.connect(urlOf(listener));
    assert.equal((await client.get()).text(), "here");
    await client.close();
    assert.equal(client.stats.queuedBytes, 0);
    assert.equal(client.address.port, listener.address.port);
  }
});

onBoth("a listener is restarted on its address", async (protocol, log) => {
  let port = 0;
  for (let i = 0; i < 3; i++) {
    const listener = await Messenger.listen(`${protocol}://127.0.0.1:${port}`, {}, {
      request: () => `from ${i}`,
    });
    port = listener.address.port;
    const client = await Messenger.connect(urlOf(listener), {}, logging(log, "client"));
    log.add("client", (await client.get()).text());
    const error = await errorOf(
      Messenger.listen(`${protocol}://127.0.0.1:${port}`) as Promise<unknown>,
    );
    assert.equal(error.code, "ENETJS_ERR_ADDRESS_IN_USE");
    await listener.close();
    assert.equal(listener.closed, true);
    await client.closed;
  }
}, {
  client: [0, 1, 2].flatMap((i) => ["ready", `from ${i}`, "closed remote"]),
});

onBoth("no handler is called within a call of the program", async (protocol) => {
  let isCalling = false;
  const check = () => assert.ok(!isCalling);
  const others: MessengerHandlers = { ready: check, closed: check };
  const outer = <Result>(call: () => Result): Result => {
    isCalling = true;
    try {
      return call();
    } finally {
      isCalling = false;
    }
  };
  await using pair = await connected(protocol, {
    server: { ...others, message: check, request: (request) => (check(), request.data.text()) },
    client: others,
  });
  const { client, server } = pair;
  outer(() => client.send("message"));
  await outer(() => client.get("request"));
  server.send("to be kept");
  await until(() => client.stats.waitingBytes > 0, 20_000, "the message");
  outer(() => client.handlers = { ...others, message: check });
  await until(() => client.stats.waitingBytes === 0, 20_000, "its delivery");
  await outer(() => client.close());
});
