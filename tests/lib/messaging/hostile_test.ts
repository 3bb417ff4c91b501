/** What a hostile other side, or a careless program, can cost. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import {
  type Connection,
  json,
  Messenger,
  type MessengerListenOptions,
  type Protocol,
  RefusalCode,
} from "../../../lib/messaging/mod.ts";
import { Host } from "../../../mod.ts";
import { errorOf, until, withDeadline } from "../../_helpers.ts";
import { connected, describe, describeEnd, onBoth, urlOf } from "./_messaging.ts";
import {
  CLOSE,
  HEARTBEAT,
  MESSAGE,
  type Message,
  messageOf,
  PROTOCOL,
  rawConnect,
} from "./_wire.ts";

const HOUR_MS = 3_600_000;

/** A client without the library, or with ENet alone, which is ready. */
async function stranger(protocol: Protocol, port: number) {
  await using stack = new AsyncDisposableStack();
  if (protocol === "tcp") {
    const raw = stack.use(await rawConnect(port));
    raw.send({ type: HEARTBEAT });
    const all = stack.move();
    return {
      send: (message: Message) => raw.send(message),
      /** Waits until the listener has told that the protocol was broken. */
      blamed: () => raw.seen(`${CLOSE} ${PROTOCOL}`),
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  }
  const host = stack.use(await Host.create());
  const peer = await host.connect({ hostname: "127.0.0.1", port }, {
    channels: 2,
    data: 0x6D736731,
  });
  const all = stack.move();
  return {
    send: (message: Message) => void peer.send(0, messageOf(message)),
    async blamed() {
      const end = await withDeadline(peer.closed, 10_000, "the end");
      assert.deepEqual(end, { reason: "remote", data: PROTOCOL });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

onBoth("cancelling requests makes no room while their handlers work", async (protocol) => {
  const gate = Promise.withResolvers<void>();
  let working = 0;
  let most = 0;
  await using pair = await connected(protocol, {
    listen: { maximumRequests: 5 },
    server: {
      async request({ data }) {
        if (data.text() === "quick") return "reply";
        most = Math.max(most, ++working);
        await gate.promise;
        working--;
        return "late";
      },
    },
  });
  const { client, server } = pair;
  for (let i = 0; i < 50; i++) {
    const end = new AbortController();
    const outcome = errorOf(client.get("slow", { signal: end.signal }));
    end.abort();
    await outcome;
  }
  const busy = `ENETJS_ERR_REQUEST_REFUSED refused ${RefusalCode.BUSY}`;
  assert.equal(describe(await errorOf(client.get("quick"))), busy);
  assert.equal(most, 5);
  assert.equal(server.stats.openRequests, 0);
  gate.resolve();
  await until(() => working === 0, 30_000, "the end of the handlers");
  for (let i = 0; i < 6; i++) assert.equal((await client.get("quick")).text(), "reply");
});

onBoth("many gets with one signal add one listener to it", async (protocol) => {
  await using pair = await connected(protocol, {
    server: { request: ({ data }) => data.text() === "wait" ? undefined : data },
  });
  const end = new AbortController();
  const { signal } = end;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...parameters: unknown[]) => {
    listeners++;
    Reflect.apply(addEventListener, signal, parameters);
  };
  signal.removeEventListener = (...parameters: unknown[]) => {
    listeners--;
    Reflect.apply(removeEventListener, signal, parameters);
  };
  const gets = Array.from({ length: 1000 }, (_, i) => pair.client.get(String(i), { signal }));
  assert.equal(listeners, 1);
  await Promise.all(gets);
  assert.equal(listeners, 0);
  const order: number[] = [];
  const waits = Array.from({ length: 100 }, async (_, i) => {
    const error = await errorOf(pair.client.get("wait", { signal, timeoutMs: 0 }));
    order.push(i);
    assert.equal(error.cause, "why");
    return describe(error);
  });
  const other = pair.client.get("other");
  end.abort("why");
  assert.deepEqual(new Set(await Promise.all(waits)), new Set(["ENETJS_ERR_CANCELLED unknown"]));
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  assert.equal((await other).text(), "other");
  assert.equal(listeners, 0);
});

const DECODERS: [string, MessengerListenOptions][] = [
  ["its codec", { codec: json }],
  ["no codec", {}],
];

for (const [what, options] of DECODERS) {
  onBoth(`a value that ${what} cannot decode ends its connection only`, async (protocol, log) => {
    const read = (_: Connection, data: { value: unknown }) => void data.value;
    const readers = [read, async (...all: Parameters<typeof read>) => await read(...all)];
    for (const message of readers) {
      await using listener = await Messenger.listen(`${protocol}://127.0.0.1:0`, options, {
        message,
        request: ({ data }) => data,
        closed: (_, { reason, error }) => {
          log.add("server", `${reason} ${error?.code} ${error?.cause !== undefined}`);
        },
      });
      await using good = await Messenger.connect(urlOf(listener));
      await using bad = await stranger(protocol, listener.address.port);
      bad.send({ type: MESSAGE, flags: 2, body: "{no value" });
      await bad.blamed();
      assert.equal((await good.get("still here")).text(), "still here");
      await good.close();
      await until(() => listener.connections.length === 0, 30_000, "the ends");
    }
  });
}

onBoth("data that is too large for the other side is told by both sides", async (protocol, log) => {
  const listen = { maximumMessageSize: 100_000 };
  await using pair = await connected(protocol, {
    listen,
    server: {
      closed: (_, end) => {
        log.add("server", describeEnd(end));
        assert.match(end.error?.message ?? "", /its (data has|length is) 10000[19]/);
      },
    },
    client: { message() {} },
  });
  const { client } = pair;
  const get = errorOf(client.get(new Uint8Array(100_001), { timeoutMs: 0 }));
  // On udp, the client would send it again until the connection is lost, which takes 5 s.
  log.add("client", describe(await get));
  log.add("client", describeEnd(await client.closed));
  await log.seen("server", "protocol");
}, {
  client: ["ENETJS_ERR_STALE unknown", "protocol ENETJS_ERR_PROTOCOL"],
  server: ["protocol ENETJS_ERR_PROTOCOL"],
});

test("Settings of the ENet host protect a listener on udp", async () => {
  let received = 0;
  await using listener = await Messenger.listen("udp://127.0.0.1:0", {
    host: {
      limits: { peer: { messages: { perSecond: 1, burst: 20 }, excess: "disconnect" } },
      duplicatePeers: 1,
      maximumHostData: 2 ** 26,
    },
  }, { message: () => void received++ });
  const client = await Messenger.connect(urlOf(listener), { host: { mtu: 1000 } });
  const second = await errorOf(Messenger.connect(urlOf(listener)));
  assert.equal(second.code, "ENETJS_ERR_REFUSED");
  for (let i = 0; i < 100; i++) client.send("flood");
  assert.equal((await client.closed).reason, "lost");
  await until(() => listener.connections.length === 0, 10_000, "the end");
  assert.ok(received <= 20, String(received));
  await assert.rejects(
    Messenger.listen("udp://127.0.0.1:0", { host: { filter: { deny: ["nonsense"] } } }),
    TypeError,
  );
  await assert.rejects(
    Messenger.listen("udp://127.0.0.1:0", { host: { peers: 5 } as object }),
    /host has no option "peers"/,
  );
  await assert.rejects(
    Messenger.connect("udp://127.0.0.1:9", { host: { accept() {} } as object }),
    /host has no option "accept"/,
  );
  await assert.rejects(Messenger.listen("tcp://127.0.0.1:0", { host: {} }), TypeError);
});

test("What a stranger has ended is told to a program that closes at the same time", async () => {
  // So many that the library looks at the clock in between, and leaves the last ends for another turn.
  const count = 150;
  const options = { connections: count, closeGraceMs: HOUR_MS };
  const listener = await Messenger.listen("tcp://127.0.0.1:0", options, {
    closed(_, end) {
      const until = performance.now() + 1;
      while (performance.now() < until);
      if (closing === undefined) setImmediate(() => closing ??= listener.close());
      assert.match(describeEnd(end), /local|lost/);
    },
  });
  let closing: Promise<void> | undefined;
  const strangers = [];
  for (let i = 0; i < count; i++) strangers.push(await rawConnect(listener.address.port));
  for (const raw of strangers) raw.send({ type: HEARTBEAT });
  await until(() => listener.connections.length === count, 30_000, "all of them");
  for (const { socket } of strangers) socket.resetAndDestroy();
  await until(() => closing !== undefined, 10_000, "the first end");
  await withDeadline(closing as unknown as Promise<void>, 10_000, "the close");
});

test("An idle connection over TCP takes little memory", async () => {
  const count = 200;
  await using listener = await Messenger.listen("tcp://127.0.0.1:0", { connections: count });
  const held = () => process.memoryUsage().arrayBuffers;
  const before = held();
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < count; i++) {
    const raw = stack.use(await rawConnect(listener.address.port));
    raw.send({ type: HEARTBEAT });
    await raw.seen(`${HEARTBEAT} 0`);
  }
  await until(() => listener.connections.length === count, 30_000, "the connections");
  await until(
    () => {
      // Makes garbage, so that it is collected.
      Array.from({ length: 10_000 }, () => ({}));
      return held() - before < count * 16_384;
    },
    20_000,
    "little memory",
  );
});
