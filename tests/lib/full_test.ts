/** `connect()` to a host that has no place for it: it rejects, and does not resolve first. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { type Address, DisconnectCode, Host } from "../../mod.ts";
import { errorOf, journal, leakCheck, rejection, until, withDeadline } from "../_helpers.ts";

const LOOPBACK = "127.0.0.1";
const MTU = 1400;
/** Says in the MTU of an answer that a refusal may still follow. */
const TENTATIVE = 0x10000;

/** What a host refuses with that is full. */
const REFUSAL = ["ENETJS_ERR_REFUSED", DisconnectCode.FULL] as const;

/** A server by hand, which answers a CONNECT and sends nothing else by itself. */
class Answerer implements AsyncDisposable {
  readonly socket: Socket = createSocket("udp4");
  readonly #mtu: number;
  /** Datagrams that have come behind the CONNECT. */
  readonly more: Uint8Array[] = [];
  #client = 0;
  #peer = new Uint8Array(2);

  constructor(mtu: number) {
    this.#mtu = mtu;
  }

  async open(): Promise<this> {
    this.socket.on("message", (bytes, { port }) => {
      const isConnect = (bytes[0] & 0x0F) === 0x0F && bytes[1] === 0xFF;
      if (isConnect) this.#answer(bytes, port);
      else this.more.push(bytes);
    });
    this.socket.bind(0, LOOPBACK);
    await once(this.socket, "listening");
    return this;
  }

  get address(): Address {
    return { hostname: LOOPBACK, port: this.socket.address().port };
  }

  /** Sends ENet's VERIFY_CONNECT: the client's peer id and sessions 0, with what the CONNECT asks for. */
  #answer(connect: Uint8Array, port: number): void {
    const answer = new Uint8Array(48), view = new DataView(answer.buffer);
    this.#client = port;
    this.#peer = connect.slice(8, 10);
    answer.set(this.#peer, 0);
    answer[0] |= 0x80; // with a sent time
    answer.set([0x83, 0xFF, 0, 1], 4);
    view.setUint32(12, this.#mtu);
    answer.set(connect.subarray(16, 20), 16); // the window
    answer.set(connect.subarray(20, 24), 20); // the channels
    answer.set(connect.subarray(32, 48), 32); // the throttle and the connect id
    this.socket.send(answer, port, LOOPBACK);
  }

  /** Sends one command, with the header of the client's peer. */
  send(...command: number[]): void {
    this.socket.send(new Uint8Array([...this.#peer, ...command]), this.#client, LOOPBACK);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }
}

test("Of 50 clients that race for 3 places, 3 are connected and stay, and 47 are refused", async (t) => {
  await leakCheck(t);
  const COUNT = 50, PLACES = 3;
  const atServer = journal(), atClient = journal();
  await using server = await Host.listen(
    { hostname: LOOPBACK, peers: PLACES, pump: false },
    atServer.handlers,
  );
  await using client = await Host.create({ peers: COUNT }, atClient.handlers);
  const settled = Promise.allSettled(
    Array.from({ length: COUNT }, () => client.connect(server.address, { timeoutMs: 60_000 })),
  );
  // The server finds all of them in its socket, so it answers all before one of them has acknowledged.
  await until(() => client.stats.totalSentPackets >= COUNT, 20_000, "the requests to connect");
  const ticker = setInterval(() => server.service(), 1);
  try {
    const results = await withDeadline(settled, 60_000, `${COUNT} attempts`);
    const refused = results.flatMap((result) =>
      result.status === "rejected" ? [result.reason] : []
    );
    assert.deepEqual(
      refused.map(({ code, data }) => [code, data]),
      Array(COUNT - PLACES).fill(REFUSAL),
    );
    const peers = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
    await withDeadline(
      Promise.all(peers.map((peer) => peer.deliver(0, "here"))),
      20_000,
      "messages",
    );
    assert.equal(atServer.all("connect").length, PLACES);
    assert.equal(atClient.all("connect").length, PLACES);
    assert.deepEqual([...atServer.all("disconnect"), ...atClient.all("disconnect")], []);
    assert.equal(server.stats.refused.full, COUNT - PLACES);
  } finally {
    clearInterval(ticker);
    await server.close({ graceMs: 0 }); // nobody services it any more
  }
});

test("A refusal that is lost comes again, and connect() rejects", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK, peers: 1, pump: false });
  await using client = await Host.create({ peers: 2 }, seen.handlers);
  const first = client.connect(server.address, { timeoutMs: 60_000 });
  const second = errorOf(client.connect(server.address, { timeoutMs: 60_000 }));
  await until(() => client.stats.totalSentPackets >= 2, 20_000, "the requests to connect");
  server.service(); // answers both
  await until(() => client.stats.totalSentPackets >= 4, 20_000, "the acknowledgements");
  server.conditions = { send: { loss: 1 } };
  for (let i = 0; i < 3; i++) server.service(); // gives the place to the first, and refuses the second
  server.conditions = {};
  const ticker = setInterval(() => server.service(), 1);
  try {
    const { code, data } = await withDeadline(second, 60_000, "the refusal");
    assert.deepEqual([code, data], REFUSAL);
    assert.equal((await first).state, "connected");
    assert.equal(seen.all("connect").length, 1);
  } finally {
    clearInterval(ticker);
    await server.close({ graceMs: 0 }); // nobody services it any more
  }
});

test("connect() rejects when the host closes while it waits for a place, or is gone", async (t) => {
  await leakCheck(t);
  for (const told of [true, false]) {
    const server = await Host.listen({ hostname: LOOPBACK, peers: 1, pump: false });
    await using client = await Host.create({ peers: 2 });
    // The first is promised the place, so the second waits for what becomes of that.
    const timeoutMs = told ? 60_000 : 500;
    const settled = Promise.allSettled([
      client.connect(server.address, { timeoutMs }),
      client.connect(server.address, { timeoutMs }),
    ]);
    await until(() => client.stats.totalSentPackets >= 2, 20_000, "the requests to connect");
    server.service();
    await until(() => client.stats.totalSentPackets >= 4, 20_000, "the acknowledgements");
    if (!told) server.conditions = { send: { loss: 1 } };
    await server.close({ graceMs: 0 });
    const [, second] = await withDeadline(settled, 60_000, "the end of both");
    assert.equal(second.status, "rejected");
    const { code, data } = (second as PromiseRejectedResult).reason;
    if (told) assert.deepEqual([code, data], ["ENETJS_ERR_REFUSED", DisconnectCode.CLOSING]);
    else assert.equal(code, "ENETJS_ERR_TIMEOUT");
  }
});

test("connect() resolves with the answer of a host that will not refuse", async (t) => {
  await leakCheck(t);
  await using server = await new Answerer(MTU).open();
  await using client = await Host.create();
  const peer = await client.connect(server.address, { timeoutMs: 60_000 });
  peer.reset();
});

test("connect() waits after a tentative answer, and takes what follows for the decision", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await new Answerer(MTU | TENTATIVE).open();
  await using client = await Host.create({}, seen.handlers);
  const acknowledged = (count: number) =>
    until(() => server.more.length >= count, 20_000, "the acknowledgement");

  const late = await rejection(
    client.connect(server.address, { timeoutMs: 100 }),
    "ENETJS_ERR_TIMEOUT",
  );
  assert.match(late, /a host is there, and has not told whether it has a place$/);
  const isDisconnect = (bytes: Uint8Array) => bytes[bytes[0] & 0x80 ? 4 : 2] === 0x44;
  await until(() => server.more.some(isDisconnect), 20_000, "the word that it was given up");

  server.more.length = 0;
  const refused = errorOf(client.connect(server.address, { timeoutMs: 60_000 }));
  await acknowledged(1);
  server.send(0x44, 0xFF, 0, 0, 0, 0, 0, 17);
  const { code, data } = await refused;
  assert.deepEqual([code, data], ["ENETJS_ERR_REFUSED", 17]);
  assert.deepEqual(seen.entries, []);

  server.more.length = 0;
  const accepted = client.connect(server.address, { timeoutMs: 60_000 });
  await acknowledged(1);
  server.send(0x07, 0, 0, 0, 0, 1, 0, 2, 0x68, 0x69); // an unreliable message, "hi"
  const peer = await accepted;
  await seen.wait("receive", 1);
  assert.deepEqual(seen.entries.map(({ type }) => type), ["connect", "receive"]);
  peer.reset();
});
