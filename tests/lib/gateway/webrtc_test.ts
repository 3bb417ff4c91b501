/**
 * Unreliable messages over data channels: both halves in this process, and what strangers try. Without
 * `node-datachannel` these tests are skipped.
 *
 * @module
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import type { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import type { GatewayOptions } from "../../../lib/gateway/options.ts";
import { decodeAnswer, encodeOffer, type RtcSide } from "../../../lib/gateway/link/signalling.ts";
import { CLOSE } from "../../../lib/gateway/link/wire.ts";
import { type HostHandlers, type ListenOptions, PacketFlag } from "../../../mod.ts";
import { journal, leakCheck, until, withDeadline } from "../../_helpers.ts";
import { collect, raw, serve, type Served } from "./_gateway.ts";
import { absent, made, textsOver } from "./_rtc.ts";

const DEADLINE = 20_000;
const skip = absent;

function open(
  options: ListenOptions = {},
  handlers?: HostHandlers,
  gateway: Omit<GatewayOptions, "host"> = {},
): Promise<Served> {
  return serve(options, handlers, { webrtc: true, ...gateway });
}

/** Connects a browser, and waits for its data channel. On a machine that is very busy, a negotiation may take too long. */
async function connect(served: Served): Promise<EnetSocket> {
  for (;;) {
    const socket = await served.connect({ webrtc: true });
    const failed = () => served.gateway.stats.webrtc!.failed;
    const before = failed();
    await until(
      () => socket.unreliableOver === "webrtc" || failed() > before,
      60_000,
      "the data channel",
    );
    if (socket.unreliableOver === "webrtc") return socket;
    await socket.disconnect();
  }
}

/** An offer that has the form of one. */
const offer: RtcSide = {
  fingerprint: new Uint8Array(32),
  name: "name",
  password: "p".repeat(22),
};

test("Unreliable messages travel over the data channel in both directions", { skip }, async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await open({}, log.handlers);
  const socket = await connect(served);
  const got = collect(socket);
  const { peer } = (await log.wait("connect")).at(-1)!;
  const over = textsOver(made.at(-1)!);
  // The gateway's own PING may still be under way.
  await until(
    () => {
      peer.send(1, "probe", PacketFlag.UNRELIABLE);
      return socket.unreliableOver === "webrtc" && over.down.some((text) => text.endsWith("probe"));
    },
    DEADLINE,
    "a message of the host over the data channel",
  );
  const flags = [0, 2, 8, 10] as const;
  for (const flag of flags) {
    socket.send(0, `up ${flag}`, flag);
    peer.send(0, `down ${flag}`, flag);
  }
  const received = await log.wait("receive", 4);
  assert.deepEqual(
    received.map(({ bytes }) => new TextDecoder().decode(bytes)).sort(),
    ["up 0", "up 10", "up 2", "up 8"],
  );
  await until(() => got.filter((text) => text.includes("down")).length === 4, DEADLINE, "all");
  for (const way of ["up", "down"] as const) {
    const passed = over[way].filter((text) => /(up|down) \d+$/.test(text));
    assert.equal(passed.length, 4, `${way} over the data channel: ${passed}`);
  }
  const { open: channels, offers, opened, declined, failed } = served.gateway.stats.webrtc!;
  assert.deepEqual([channels, opened, declined], [1, 1, 0]);
  assert.equal(offers, opened + failed);
  assert.ok(peer.stats.incomingDataTotal >= 17 && peer.stats.outgoingDataTotal >= 26);
  socket.send(0, "reliable");
  await socket.deliver(0, "delivered");
  await log.wait("receive", 6);
  await socket.disconnect(5);
  await until(
    () => log.all("disconnect").some(({ reason, data }) => reason === "remote" && data === 5),
    DEADLINE,
    "the end",
  );
  assert.equal(served.gateway.stats.webrtc!.open, 0);
});

test(
  "Broadcasts reach browsers over the data channel and others beside them",
  { skip },
  async (t) => {
    await leakCheck(t);
    await using served = await open({}, {});
    const [fast, plain] = [await connect(served), await served.connect()];
    const got = [collect(fast), collect(plain)];
    await until(
      () => {
        served.host.broadcast(0, "state", PacketFlag.UNSEQUENCED);
        return got.every((texts) => texts.includes("0 2 state"));
      },
      DEADLINE,
      "the state at both",
    );
    served.host.broadcast(1, "last");
    await until(() => got.every((texts) => texts.includes("1 1 last")), DEADLINE, "the last one");
  },
);

test(
  "When the data channel breaks, everything takes the WebSocket at once",
  { skip },
  async (t) => {
    await leakCheck(t);
    const log = journal();
    await using served = await open({}, log.handlers);
    const socket = await connect(served);
    const got = collect(socket);
    const { peer } = (await log.wait("connect")).at(-1)!;
    made.at(-1)!.connection.close();
    await until(() => served.gateway.stats.webrtc!.open === 0, DEADLINE, "the end of the channel");
    await until(() => socket.unreliableOver === "websocket", DEADLINE, "the WebSocket");
    for (let i = 0; i < 100; i++) {
      socket.send(0, `up ${i}`, PacketFlag.UNSEQUENCED);
      peer.send(0, `down ${i}`, PacketFlag.UNSEQUENCED);
    }
    await log.wait("receive", 100);
    await until(() => got.length === 100, DEADLINE, "all messages of the host");
    assert.equal(peer.state, "connected");
  },
);

test("A message that finds the channel closed takes the WebSocket", { skip }, async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await open({}, log.handlers);
  const socket = await connect(served);
  made.at(-1)!.connection.close();
  // Nothing has been told yet. What the channel still took on its way to the end is lost.
  const arrive = () => {
    socket.send(0, "text", PacketFlag.UNSEQUENCED);
    return log.all("receive").length >= 10;
  };
  await until(arrive, DEADLINE, "messages");
});

test("A gateway without WebRTC says no, and the browser goes on", { skip }, async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const socket = await served.connect({ webrtc: true });
  await socket.deliver(0, "after the offer");
  socket.send(0, "unreliable", PacketFlag.UNRELIABLE);
  await log.wait("receive", 2);
  assert.equal(socket.unreliableOver, "websocket");
  assert.equal(served.gateway.stats.webrtc, undefined);
});

test(
  "Without a free port of the range, a browser stays with its WebSocket",
  { skip },
  async (t) => {
    await leakCheck(t);
    const log = journal();
    const { createSocket } = await import("node:dgram");
    const taken = createSocket("udp4");
    await new Promise<void>((resolve) => taken.bind(0, "127.0.0.1", resolve));
    const { port } = taken.address();
    {
      await using served = await open({}, log.handlers, { webrtc: { ports: [port, port] } });
      const socket = await served.connect({ webrtc: true });
      await until(() => served.gateway.stats.webrtc!.declined === 1, DEADLINE, "the refusal");
      socket.send(0, "unreliable", PacketFlag.UNRELIABLE);
      await log.wait("receive");
    }
    await new Promise<void>((resolve) => taken.close(() => resolve()));
  },
);

test("The answer has the port and the addresses of the options", { skip }, async (t) => {
  await leakCheck(t);
  const addresses = ["192.0.2.7", "2001:db8::7"];
  await using served = await open({}, {}, { webrtc: { addresses } });
  const browser = await raw(served.gateway.url);
  browser.send(encodeOffer(offer));
  const frame = await until(() => browser.frames.find(([, type]) => type === 6), DEADLINE, "it");
  const answer = decodeAnswer(frame);
  assert.ok(answer);
  assert.deepEqual(answer.addresses, addresses);
  assert.ok(answer.port > 0);
  browser.socket.close();
});

test(
  "limits.peer ends a connection for what comes over the data channel, too",
  { skip },
  async (t) => {
    await leakCheck(t);
    const log = journal();
    await using served = await open({}, log.handlers);
    const socket = await connect(served);
    served.host.limits = {
      peer: { messages: { perSecond: 0.01, burst: 5 }, excess: "disconnect" },
    };
    for (let i = 0; i < 20; i++) socket.send(0, String(i), PacketFlag.UNSEQUENCED);
    await withDeadline(socket.closed, DEADLINE, "the end");
    await until(
      () => log.all("disconnect").some((end) => end.reason === "limit"),
      DEADLINE,
      "the host's event",
    );
    assert.ok(log.all("receive").length <= 5);
  },
);

/** What a page sends over its data channel, and how the connection ends. */
const ABUSES: Record<string, (index: number) => void> = {
  "text": (i) => made[i].channel.send("text"),
  "an empty message": (i) => made[i].channel.send(new Uint8Array(0)),
  "no message": (i) => made[i].channel.send(Uint8Array.of(9, 9, 9)),
  "a channel of its own": (i) => void made[i].connection.createDataChannel("mine"),
};

for (const [what, abuse] of Object.entries(ABUSES)) {
  test(
    `A page that sends ${what} on the data channel loses its connection`,
    { skip },
    async (t) => {
      await leakCheck(t);
      const log = journal();
      await using served = await open({}, log.handlers);
      const other = await connect(served);
      const socket = await connect(served);
      abuse(made.length - 1);
      const { reason } = await withDeadline(socket.closed, DEADLINE, "the end");
      assert.equal(reason, "reset");
      await until(
        () => log.all("disconnect").some((end) => end.reason === "reset"),
        DEADLINE,
        "the host's event",
      );
      other.send(1, "alive", PacketFlag.UNSEQUENCED);
      await until(
        () => log.all("receive").some(({ channelId }) => channelId === 1),
        DEADLINE,
        "the other browser",
      );
    },
  );
}

/** What is said in place of an offer, or after one. */
const NO_OFFERS: Record<string, readonly Uint8Array[]> = {
  "an empty offer": [Uint8Array.of(255, 5)],
  "an offer with SDP in it": [
    encodeOffer({ ...offer, password: `${"p".repeat(22)}\r\na=candidate:1 1 UDP 1 10.0.0.1 53` }),
  ],
  "an offer of 16 KiB": [encodeOffer({ ...offer, name: "n".repeat(16_000) })],
  "a second offer": [encodeOffer(offer), encodeOffer(offer)],
  "a thousand offers": Array.from({ length: 1000 }, () => encodeOffer(offer)),
  "an answer": [Uint8Array.of(255, 6)],
};

for (const [what, frames] of Object.entries(NO_OFFERS)) {
  test(`The connection ends with ${what}`, { skip }, async (t) => {
    await leakCheck(t);
    await using served = await open({}, {});
    const stranger = await raw(served.gateway.url);
    for (const frame of frames) stranger.send(frame);
    assert.equal(
      await withDeadline(stranger.closed, DEADLINE, "the close frame"),
      String(CLOSE.FAULT),
    );
    assert.ok(served.gateway.stats.webrtc!.offers <= 1);
    const socket = await connect(served);
    assert.equal(socket.unreliableOver, "webrtc");
  });
}

test("An offer before the welcome ends the WebSocket", { skip }, async (t) => {
  await leakCheck(t);
  await using served = await open({}, {});
  const stranger = await raw(served.gateway.url, { hello: false });
  stranger.send(encodeOffer(offer));
  assert.equal(await withDeadline(stranger.closed, DEADLINE, "the end"), String(CLOSE.FAULT));
  assert.equal(served.gateway.stats.webrtc!.offers, 0);
});

test("Wrong options are refused by name", async () => {
  const wrong: [unknown, RegExp][] = [
    [1, /webrtc/],
    [{ port: 1 }, /port/],
    [{ ports: 4000 }, /webrtc\.ports must be the first and the last port/],
    [{ ports: [4000] }, /webrtc\.ports must be/],
    [{ ports: [0, 1] }, /webrtc\.ports\[0\]/],
    [{ ports: [4000, 3999] }, /webrtc\.ports\[1\]/],
    [{ ports: [4000, 65_536] }, /webrtc\.ports\[1\]/],
    [{ addresses: "192.0.2.1" }, /webrtc\.addresses must be an array/],
    [{ addresses: ["example.org"] }, /webrtc\.addresses must be IP addresses/],
    [{ addresses: [] }, /number of webrtc\.addresses/],
    [{ addresses: Array(9).fill("192.0.2.1") }, /number of webrtc\.addresses/],
  ];
  for (const [webrtc, message] of wrong) {
    await assert.rejects(serve({}, {}, { webrtc: webrtc as true }), message);
  }
  await assert.rejects(
    serve({}, {}, { webrtc: true, hostname: undefined, unixSocket: "/tmp/enetjs-no-such" }),
    /webrtc needs addresses with unixSocket/,
  );
  await assert.rejects(
    serve({}, {}, { webrtc: true, proxies: ["127.0.0.1"] }),
    /webrtc needs addresses with proxies/,
  );
});

const countIn = (folder: string) => existsSync(folder) ? readdirSync(folder).length : 0;

test("60 connects leave no thread and no descriptor behind", { skip }, async (t) => {
  await leakCheck(t);
  await using served = await open({}, {});
  const once = async () => {
    const socket = await connect(served);
    await socket.disconnect();
  };
  const used = () => [countIn("/proc/self/task"), countIn("/proc/self/fd")];
  for (let i = 0; i < 10; i++) await once();
  await until(() => served.gateway.stats.webrtc!.open === 0, DEADLINE, "the end of the first");
  const before = used();
  for (let i = 0; i < 60; i++) await once();
  const few = () => used().every((count, i) => count <= before[i] + 4);
  await until(few, DEADLINE, `${before} threads and descriptors`).catch((error) => {
    throw new Error(`${error.message}, but ${used()}`);
  });
  assert.equal(served.gateway.stats.webrtc!.opened, 70);
});
