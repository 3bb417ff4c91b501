/**
 * The rendezvous server of `examples/` and its clients, on the loopback address, and what strangers can make of them.
 * The way through routers is in `deno/nat_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RendezvousClient } from "../examples/rendezvous/client.ts";
import { Punches } from "../examples/rendezvous/punches.ts";
import { Relay, RELAY_LIMITS } from "../examples/rendezvous/relay.ts";
import { RendezvousServer, type ServerOptions } from "../examples/rendezvous/server.ts";
import {
  idFrom,
  type Message,
  newId,
  readMessage,
  REQUEST_BYTES,
  requestOf,
  siteOf,
} from "../examples/rendezvous/wire.ts";
import { type Address, DisconnectCode, Host, type HostHandlers, type HostOptions } from "../mod.ts";
import { errorOf, leakCheck, until } from "./_helpers.ts";
import { Plain } from "./_plain.ts";
import { over6 } from "./lib/_ipv6.ts";

const SECRET = "the secret of two";
const HOSTNAME = "127.0.0.1";

const encode = (text: string) => new TextEncoder().encode(text);
const messageOf = (bytes: Uint8Array) => readMessage(new TextDecoder().decode(bytes));

/** A server, and what uses it. */
async function stage(options: ServerOptions = {}) {
  await using opening = new AsyncDisposableStack();
  const server = opening.use(await RendezvousServer.open({ hostname: HOSTNAME, ...options }));
  const { address } = server.host;
  const stack = opening.move();
  return {
    server,
    address,
    client: async (handlers?: HostHandlers, options?: HostOptions) =>
      stack.use(await RendezvousClient.open(address, handlers, options)),
    plain: async () => stack.use(await Plain.open()),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const echo: HostHandlers = {
  receive: (peer, channelId, packet) => void peer.send(channelId, packet),
};

/** Sends a datagram of a plain socket, and resolves with the first answer to it. */
async function ask(plain: Plain, to: Address, message: Message): Promise<Message> {
  const before = plain.received.length;
  await plain.send(encode(requestOf(message)), to);
  await until(() => plain.received.length > before, 30_000, `an answer to ${message.is}`);
  return messageOf(plain.received[before].bytes);
}

/** Asks twice, the second time with the cookie. */
async function askWithCookie(plain: Plain, to: Address, message: Message): Promise<Message> {
  const { is, cookie } = await ask(plain, to, message);
  assert.equal(is, "cookie");
  return await ask(plain, to, { ...message, cookie });
}

/** The message of the error that a promise rejects with. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error instanceof Error, String(error));
  return error.message;
}

test("Two clients are joined directly, and through a relay", async (t) => {
  await leakCheck(t);
  await using at = await stage();
  const listener = await at.client(echo);
  await listener.listen(SECRET);
  const guest = await at.client();
  const [first, second] = await Promise.all([
    guest.connect(SECRET),
    guest.connect(SECRET, { relayOnly: true }),
  ]);
  assert.deepEqual([first.over, second.over], ["direct", "relay"]);
  assert.equal(first.peer.address.port, listener.host.address.port);
  assert.equal(second.peer.address.port, at.server.relays[0].port);
  for (const { peer, over } of [first, second]) {
    peer.send(0, over);
    const { packet } = await peer.receive({ timeoutMs: 60_000 });
    assert.equal(packet.text(), over);
  }
});

test("Two clients are joined where a fifth of the datagrams gets lost", async () => {
  await using at = await stage();
  const listener = await at.client({}, { conditions: { loss: 0.2, seed: 1 } });
  await listener.listen(SECRET);
  for (const relayOnly of [false, true]) {
    const guest = await at.client();
    await guest.connect(SECRET, { timeoutMs: 120_000, relayOnly });
  }
});

over6("Clients are joined over IPv6, and with one that has IPv4 only", async () => {
  await using server = await RendezvousServer.open({ hostname: "::" });
  const { port } = server.host.address;
  const open = (hostname: string) => RendezvousClient.open({ hostname, port }, echo);
  await using listener = await open("::1");
  await listener.listen(SECRET);
  await using of6 = await open("::1");
  await using of4 = await open("127.0.0.1");
  // The listener's host has both versions of IP, so it can also punch to an IPv4 address.
  for (const guest of [of6, of4]) {
    assert.equal((await guest.connect(SECRET)).over, "direct");
    const { peer, over } = await guest.connect(SECRET, { relayOnly: true });
    peer.send(0, over);
    assert.equal((await peer.receive({ timeoutMs: 30_000 })).packet.text(), "relay");
  }
});

test("A client takes no name and no missing port for the address of a server", async () => {
  const open = (hostname: string, port: number) =>
    refusal(RendezvousClient.open({ hostname, port }));
  assert.match(await open("localhost", 7777), /^resolve "localhost" first/);
  assert.match(await open("127.0.0.1", 0), /port has to be from 1 to 65535, not 0/);
  assert.match(await open("::1", NaN), /port has to be from 1 to 65535, not NaN/);
});

test("A client waits for the other one, and learns why there is none", async () => {
  await using at = await stage({ relays: 0 });
  const [listener, guest] = [await at.client(), await at.client()];
  const connecting = guest.connect(SECRET);
  await assert.rejects(guest.connect("another secret", { timeoutMs: 100 }), {
    name: "TimeoutError",
  });
  await listener.listen(SECRET);
  assert.equal((await connecting).over, "direct");
  // Without relays, two clients that need one are not joined.
  assert.match(await refusal(guest.connect(SECRET, { relayOnly: true })), /"full" to "relay"/);
  const closed = refusal(guest.connect("another secret"));
  await guest[Symbol.asyncDispose]();
  assert.equal(await closed, "the client was closed");
});

test("A room belongs to one client, and an address has few rooms", async () => {
  await using at = await stage({ roomsOfAddress: 2 });
  const [first, second] = [await at.client(), await at.client()];
  await first.listen(SECRET);
  assert.match(await refusal(second.listen(SECRET)), /"taken" to "listen"/);
  await second.listen("a second room");
  assert.match(await refusal(second.listen("a third room")), /"full" to "listen"/);
});

test("A room is free again when its client is gone", async () => {
  await using at = await stage({ roomsOfAddress: 1, roomMs: 1 });
  const [first, second] = [await at.client(), await at.client()];
  await first.listen(SECRET);
  await first[Symbol.asyncDispose]();
  await until(() => at.server.counts.rooms === 0, 30_000, "the end of the room");
  await second.listen(SECRET);
});

test("A server sends nobody more bytes than it gets from there, and little to forged addresses", async () => {
  await using at = await stage({ requestsPerSecond: 1000 });
  const listener = await at.plain();
  const stranger = await at.plain();
  const room = newId();
  const from = { room, nonce: newId() };
  const listening = { is: "listen", room, nonce: newId() };
  assert.equal((await askWithCookie(listener, at.address, listening)).is, "listening");
  const inRoom = listener.received.length;

  const bad = [
    ...["", "{", "null", "[]", "7", "{}", '{"is":7}', '{"__proto__":"x"}', "[".repeat(500)],
    JSON.stringify({ is: "connect", ...from }), // too short
    requestOf({ is: "connect", ...from }) + " ",
    requestOf({ is: "connect", room, nonce: "short" }),
    requestOf({ is: "connect", room: `${room.slice(1)}'`, nonce: from.nonce }),
    requestOf({ is: "connect", room }),
  ];
  for (const text of bad) {
    await stranger.send(encode(text), at.address);
    if (text.length < REQUEST_BYTES) {
      await stranger.send(encode(text.padEnd(REQUEST_BYTES)), at.address);
    }
  }
  // Without a cookie of the address, each request gets a cookie and has no effect.
  const { cookie: ofListener } = await ask(listener, at.address, { is: "connect", ...from });
  for (const is of ["listen", "connect", "relay", "anything"]) {
    for (const cookie of ["", "x", newId(), ofListener]) {
      const answer = await ask(stranger, at.address, { is, ...from, cookie });
      assert.deepEqual([answer.is, answer.to], ["cookie", from.nonce]);
    }
  }
  assert.equal(listener.received.length, inRoom + 1);
  // One of the bad ones is a request but for its length, which padding has given to it.
  assert.equal(stranger.received.length, 16 + 1);
  assert.deepEqual(at.server.counts, { rooms: 1, relays: 0 });

  // With it, a request leads to two datagrams, which are shorter together.
  for (const is of ["connect", "relay"]) {
    const answered = () => stranger.received.concat(listener.received);
    const before = answered().length;
    const { cookie } = await ask(stranger, at.address, { is, ...from });
    const asked = async () => {
      await stranger.send(encode(requestOf({ is, ...from, cookie })), at.address);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return answered().length >= before + 3;
    };
    await until(asked, 30_000, "both answers");
  }
  const { length: count } = stranger.received.concat(listener.received);
  assert.ok(count > inRoom + 18 + 4);
  for (const { bytes } of stranger.received.concat(listener.received)) {
    assert.ok(bytes.length <= REQUEST_BYTES / 2, messageOf(bytes).is);
  }
});

test("A server drops what an address asks too often", async () => {
  await using at = await stage({ requestsPerSecond: 1 });
  const plain = await at.plain();
  const request = encode(requestOf({ is: "listen", room: newId(), nonce: newId() }));
  for (let i = 0; i < 50; i++) await plain.send(request, at.address);
  await until(() => at.server.host.stats.limitedDatagrams >= 20, 30_000, "dropped requests");
  assert.ok(plain.received.length < 30, `${plain.received.length} answers`);
});

test("Relays are few for an address, and end when nobody uses them", async () => {
  await using at = await stage({ relaysOfAddress: 1, relayLimits: { idleMs: 1 } });
  const listener = await at.client();
  await listener.listen(SECRET);
  const asker = await at.plain();
  const request = { is: "relay", room: idFrom(SECRET, "room"), nonce: newId() };
  const { cookie } = await ask(asker, at.address, request);
  const answerTo = async (nonce: string) => {
    const wanted = () =>
      asker.received.map(({ bytes }) => messageOf(bytes))
        .find(({ is, to }) => is !== "cookie" && to === nonce);
    const asked = async () => {
      await asker.send(encode(requestOf({ ...request, nonce, cookie })), at.address);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return wanted();
    };
    return await until(asked, 30_000, "an answer");
  };
  const first = await answerTo(request.nonce);
  // It may have ended already, on a busy machine: then this is a second one.
  assert.equal(first.is, "relay");
  await until(() => at.server.counts.relays === 0, 30_000, "the end of the relay");
  assert.equal((await answerTo(newId())).is, "relay");
});

test("A relay passes datagrams on between the two that have its tokens", async () => {
  await using stack = new AsyncDisposableStack();
  const [one, two, stranger] = [
    stack.use(await Plain.open()),
    stack.use(await Plain.open()),
    stack.use(await Plain.open()),
  ];
  const limits = { ...RELAY_LIMITS, bytesPerSecond: 1, burstBytes: 10_000 };
  const relay = new Relay(HOSTNAME, limits);
  stack.defer(() => relay.close());
  const port = await until(() => relay.port, 30_000, "a port");
  const to = { hostname: HOSTNAME, port };
  const bind = (token: string) => ({ is: "bind", token });

  // A token is not enough: the address has to be proved, so that nobody binds another one's.
  const { cookie } = await ask(stranger, to, bind(relay.tokens.listen));
  const forged = await ask(one, to, { ...bind(relay.tokens.listen), cookie });
  assert.equal(forged.is, "cookie");
  assert.equal((await askWithCookie(one, to, bind(relay.tokens.listen))).is, "bound");
  await one.send(encode("too early"), to);
  assert.equal((await askWithCookie(two, to, bind(relay.tokens.connect))).is, "ready");
  await stranger.send(encode(requestOf(bind(newId()))), to);
  await stranger.send(encode("hello"), to);

  const before = two.received.length;
  for (let i = 0; i < 20; i++) await one.send(new Uint8Array(1000).fill(i), to);
  await until(() => relay.counts.passed + relay.counts.dropped >= 23, 30_000, "all of them");
  await until(() => two.received.length >= before + relay.counts.passed, 30_000, "the passed ones");
  assert.equal(relay.counts.passed, 10);
  assert.equal(relay.counts.dropped, 3 + 10);
  assert.deepEqual(two.received.slice(before).map(({ bytes }) => bytes[0]), [
    ...Array(10).keys(),
  ]);
  assert.equal(stranger.received.length, 1);
  assert.equal(relay.isOver, false);
});

test("A relay ends after its time", async () => {
  const relay = new Relay(HOSTNAME, { ...RELAY_LIMITS, lifetimeMs: 1 });
  await until(() => relay.port !== undefined && relay.isOver, 30_000, "its end");
  relay.close();
});

test("A client admits nobody who does not know the secret", async () => {
  await using at = await stage();
  const connected: number[] = [];
  const listener = await at.client({ connect: (peer) => void connected.push(peer.id) });
  await listener.listen(SECRET);
  const { port } = listener.host.address;
  const to = { hostname: HOSTNAME, port };
  await using stranger = await Host.create();
  const { code, data } = await errorOf(stranger.connect(to));
  assert.deepEqual([code, data], ["ENETJS_ERR_REFUSED", DisconnectCode.DENIED]);

  // One that has seen an introduction still knows no proof.
  const plain = await at.plain();
  for (const is of ["punch", "answer"]) {
    await plain.send(encode(JSON.stringify({ is, proof: newId() })), to);
  }
  // Only the server introduces, and only what was asked is an answer.
  for (const is of ["meet", "relay", "cookie", "listening"]) {
    const message = { is, to: newId(), other: newId(), address: "127.0.0.1:9", port: "9" };
    await plain.send(encode(JSON.stringify(message)), to);
  }
  await (await at.client()).connect(SECRET);
  assert.equal(plain.received.length, 0);
  await until(() => connected.length === 1, 30_000, "the guest");
});

test("A client that is connected through a relay can't speak in the name of the server", async () => {
  await using at = await stage();
  const victim = await at.plain();
  const listener = await at.client(echo);
  await listener.listen(SECRET);
  // The guest learns the nonce of the listener by an introduction.
  const plain = await at.plain();
  const request = { is: "connect", room: idFrom(SECRET, "room"), nonce: newId() };
  const { other: to } = await askWithCookie(plain, at.address, request);
  assert.ok(to);
  const guest = await at.client();
  const { peer } = await guest.connect(SECRET, { relayOnly: true });
  const { port } = victim.address;
  const forged = { is: "meet", to, other: newId(), address: `${HOSTNAME}:${port}` };
  const before = at.server.relays[0].counts.passed;
  guest.host.sendDatagram(peer.address, JSON.stringify(forged));
  peer.send(0, "after it");
  await peer.receive({ timeoutMs: 30_000 });
  assert.ok(at.server.relays[0].counts.passed > before + 2);
  assert.equal(victim.received.length, 0);
});

test("A client that is told of many others punches for the latest of them alone", async () => {
  const end = new AbortController();
  const sent = new Map<string, number>();
  const count = (to: string) => sent.get(to) ?? 0;
  const punches = new Punches((to) => {
    sent.set(String(to), count(String(to)) + 1);
  }, end.signal);
  const addresses = Array.from({ length: 200 }, (_, index) => `192.0.2.${index}:9`);
  const punching = addresses.map((address) =>
    punches.punch(punches.meet(SECRET, "listen", "mine", address), address)
  );
  await until(() => count(addresses[199]) === 3, 30_000, "the third punch to the latest");
  end.abort();
  await Promise.all(punching);
  assert.equal(count(addresses[0]), 1);
  assert.ok(addresses.filter((address) => count(address) > 1).length <= 64);
});

test("An IPv6 address counts by its /64", () => {
  const site = (hostname: string) => siteOf({ hostname, port: 1 });
  assert.equal(site("192.0.2.7"), "192.0.2.7");
  assert.equal(site("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2");
  assert.equal(site("2001:db8:1:2::6"), "2001:db8:1:2");
  assert.equal(site("2001:db8::6"), "2001:db8:0:0");
  assert.equal(site("fe80::1%eth0"), "fe80:0:0:0");
});
