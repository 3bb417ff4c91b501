/**
 * The gateway's side of WebRTC with a library that the test plays: what it is told, and what bounds there are.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type {
  DataChannel,
  PeerConfig,
  PeerConnection,
  RtcLibrary,
} from "../../../lib/gateway/_node_datachannel.ts";
import { RtcServer, type RtcUser } from "../../../lib/gateway/rtc_server.ts";
import { type RtcAnswer, type RtcSide, sdpOf } from "../../../lib/gateway/link/signalling.ts";

const side: RtcSide = {
  fingerprint: new Uint8Array(32),
  name: "name",
  password: "p".repeat(22),
};

/** A data channel that the test plays. */
class FakeChannel implements DataChannel {
  tell: Record<string, (value?: never) => void> = {};
  readonly sent: Uint8Array[] = [];
  onOpen = (callback: () => void) => void (this.tell.open = callback);
  onClosed = (callback: () => void) => void (this.tell.closed = callback);
  onError = (callback: (error: string) => void) => void (this.tell.error = callback as () => void);
  onMessage = (callback: (message: string | Uint8Array) => void) =>
    void (this.tell.message = callback as () => void);
  sendMessageBinary = (bytes: Uint8Array) => this.sent.push(bytes) > 0;
  bufferedAmount = () => 7;
}

/** A connection that the test plays. */
class FakePeer implements PeerConnection {
  static fails: keyof PeerConnection | "constructor" | undefined;
  static all: FakePeer[] = [];
  readonly config: PeerConfig;
  readonly channel = new FakeChannel();
  tell: Record<string, (value: never) => void> = {};
  sdp = sdpOf({ ...side, port: 4321, addresses: ["10.9.8.7"] } as RtcAnswer, "active");
  remote = "";
  isClosed = false;

  constructor(_name: string, config: PeerConfig) {
    this.config = config;
    if (FakePeer.fails === "constructor") throw new Error("no memory");
    FakePeer.all.push(this);
  }

  onStateChange = (callback: (state: string) => void) => void (this.tell.state = callback);
  onGatheringStateChange = (callback: (state: string) => void) =>
    void (this.tell.gathering = callback);
  onDataChannel = (callback: (channel: DataChannel) => void) => void (this.tell.channel = callback);
  setRemoteDescription(sdp: string): void {
    if (FakePeer.fails === "setRemoteDescription") throw new Error("no port");
    this.remote = sdp;
  }
  localDescription = () => ({ sdp: this.sdp });
  createDataChannel(): DataChannel {
    if (FakePeer.fails === "createDataChannel") throw new Error("no channel");
    return this.channel;
  }
  close = () => void (this.isClosed = true);
}

/** Whom the server tells. */
function user() {
  const told: string[] = [];
  const answers: (RtcAnswer | undefined)[] = [];
  const made: RtcUser = {
    answered(answer) {
      answers.push(answer);
      told.push(answer === undefined ? "no" : "yes");
    },
    opened: () => void told.push("opened"),
    received: (bytes) => void told.push(bytes === undefined ? "text" : `bytes ${bytes}`),
    abused: (what) => void told.push(`abused: ${what}`),
    closed: () => void told.push("closed"),
  };
  return { ...made, told, answers };
}

function server(
  hostname = "127.0.0.1",
  plan: Partial<ConstructorParameters<typeof RtcServer>[1]> = {},
) {
  FakePeer.all = [];
  FakePeer.fails = undefined;
  const library = { PeerConnection: FakePeer } as unknown as RtcLibrary;
  const made = new RtcServer(library, { ports: undefined, addresses: undefined, ...plan });
  made.listen(hostname);
  return made;
}

/** Offers, and lets libdatachannel answer. */
function negotiate(rtc: RtcServer) {
  const browser = user();
  const connection = rtc.answer(side, "192.0.2.1", browser)!;
  const peer = FakePeer.all.at(-1)!;
  peer.tell.gathering("complete" as never);
  return { browser, connection, peer };
}

test("libdatachannel gets no candidates of the browser, and no other servers", () => {
  const { browser, peer } = negotiate(server());
  assert.doesNotMatch(peer.remote, /candidate/);
  assert.match(peer.remote, /^a=setup:actpass\r$/m);
  assert.deepEqual(peer.config, {
    iceServers: [],
    maxMessageSize: 16_392,
    bindAddress: "127.0.0.1",
  });
  assert.deepEqual(browser.answers, [{ ...side, port: 4321, addresses: ["192.0.2.1"] }]);
});

test("Ports, addresses and the place of the gateway come from its options", () => {
  const plan = { ports: [5000, 5009] as const, addresses: ["198.51.100.1"] };
  const { browser, peer } = negotiate(server("::", plan));
  assert.deepEqual(peer.config, {
    iceServers: [],
    maxMessageSize: 16_392,
    portRangeBegin: 5000,
    portRangeEnd: 5009,
  });
  assert.deepEqual(browser.answers[0]?.addresses, plan.addresses);
});

test("A channel is told once, passes messages both ways, and ends once", () => {
  const rtc = server();
  const { browser, connection, peer: { channel, tell } } = negotiate(rtc);
  channel.tell.open();
  channel.tell.open();
  channel.tell.message(Uint8Array.of(1, 2) as never);
  channel.tell.message(Uint8Array.of(3).buffer as never);
  channel.tell.message("text" as never);
  connection.send(Uint8Array.of(4));
  assert.deepEqual([channel.sent, connection.buffered()], [[Uint8Array.of(4)], 7]);
  assert.equal(rtc.counters.open, 1);
  tell.state("disconnected" as never);
  assert.equal(rtc.counters.open, 1);
  channel.tell.closed();
  channel.tell.closed();
  channel.tell.message(Uint8Array.of(5) as never);
  assert.throws(() => connection.send(Uint8Array.of(6)), /closed/);
  assert.equal(connection.buffered(), 0);
  assert.deepEqual(browser.told, [
    "yes",
    "opened",
    "bytes 1,2",
    "bytes 3",
    "text",
    "closed",
  ]);
  assert.deepEqual(rtc.counters, { open: 0, offers: 1, opened: 1, declined: 0, failed: 0 });
});

for (const fails of ["constructor", "setRemoteDescription", "createDataChannel"] as const) {
  test(`An offer is declined when ${fails} fails, and leaves nothing behind`, async () => {
    const rtc = server();
    FakePeer.fails = fails;
    const browser = user();
    assert.equal(rtc.answer(side, "192.0.2.1", browser), undefined);
    assert.deepEqual(browser.told, ["no", "closed"]);
    await turn();
    assert.ok(FakePeer.all.every(({ isClosed }) => isClosed));
    for (const { tell } of FakePeer.all) tell.state("closed" as never);
    assert.deepEqual([rtc.counters.declined, rtc.counters.failed], [1, 0]);
    await rtc.close();
  });
}

test("An offer is declined where the gateway has no address to tell", () => {
  const rtc = server();
  const browser = user();
  rtc.answer(side, "", browser);
  FakePeer.all[0].tell.gathering("complete" as never);
  assert.deepEqual(browser.told, ["no", "closed"]);
  assert.equal(rtc.counters.declined, 1);
});

test("A negotiation that never ends is ended after ten seconds", async () => {
  const rtc = server();
  const { browser, connection, peer } = negotiate(rtc);
  connection.tick(performance.now() + 9000);
  await turn();
  assert.equal(peer.isClosed, false);
  connection.tick(performance.now() + 11_000);
  await turn();
  assert.deepEqual([peer.isClosed, browser.told.at(-1)], [true, "closed"]);
  assert.equal(rtc.counters.failed, 1);
  peer.channel.tell.open();
  assert.equal(rtc.counters.open, 0);
});

test("64 negotiations are under way at most, and 512 connections that are not gone", () => {
  const rtc = server();
  const browsers = Array.from({ length: 80 }, () => user());
  const connections = browsers.map((browser) => rtc.answer(side, "192.0.2.1", browser));
  assert.equal(connections.filter((one) => one !== undefined).length, 64);
  assert.deepEqual(browsers.at(-1)!.told, ["no", "closed"]);
  assert.equal(rtc.counters.declined, 16);
  // All of them end, and libdatachannel does not let go of them.
  for (const connection of connections) connection?.close();
  while (FakePeer.all.length < 512) rtc.answer(side, "192.0.2.1", user())!.close();
  assert.equal(rtc.answer(side, "192.0.2.1", user()), undefined);
  FakePeer.all[0].tell.state("closed" as never);
  assert.notEqual(rtc.answer(side, "192.0.2.1", user()), undefined);
});

test("A channel of the browser's own is abuse, and is emptied", () => {
  const { browser, peer } = negotiate(server());
  const own = new FakeChannel();
  peer.tell.channel(own as never);
  assert.deepEqual(Object.keys(own.tell).sort(), ["closed", "message"]);
  own.tell.message("ignored" as never);
  assert.deepEqual(browser.told, ["yes", "abused: a data channel of its own"]);
});

test("More than 10,000 messages in a second are abuse", () => {
  const { browser, peer: { channel } } = negotiate(server());
  channel.tell.open();
  const { told } = browser;
  for (let i = 0; i < 10_000; i++) channel.tell.message(Uint8Array.of(i & 255) as never);
  const abuses = () => told.filter((text) => text.startsWith("abused")).length;
  assert.equal(abuses(), 0);
  for (let i = 0; i < 30_000 && abuses() === 0; i++) {
    channel.tell.message(Uint8Array.of(0) as never);
  }
  assert.equal(abuses(), 1);
});

test("close() ends what there is, waits until it is gone, and declines what comes", async () => {
  const rtc = server();
  const { browser, peer } = negotiate(rtc);
  peer.channel.tell.open();
  let isOver = false;
  const closing = rtc.close().then(() => isOver = true);
  assert.deepEqual([peer.isClosed, browser.told.at(-1)], [false, "closed"]);
  await turn();
  assert.deepEqual([peer.isClosed, isOver], [true, false]);
  const late = user();
  assert.equal(rtc.answer(side, "192.0.2.1", late), undefined);
  assert.deepEqual(late.told, ["no", "closed"]);
  peer.tell.state("closed" as never);
  await closing;
});
