/** Encrypted connections: who gets in, what an observer sees, and what happens when addresses change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ConnectAttempt,
  type ENetError,
  Host,
  type HostSecurity,
  type Peer,
} from "../../mod.ts";
import {
  createToken,
  generateIssuerKeyPair,
  generateKeyPair,
  generateSharedSecret,
  keyToText,
} from "../../lib/security/mod.ts";
import { errorOf, leakCheck, rejection, until, withDeadline } from "../_helpers.ts";
import { startRelay } from "../_relay.ts";

const hostname = "127.0.0.1";
const keyPair = await generateKeyPair();
const serverKey = keyPair.publicKey;
const issuer = await generateIssuerKeyPair();

/** A server that echoes. */
async function listen(security: Partial<HostSecurity> = {}, options: object = {}) {
  const connected: Peer[] = [];
  const moved: number[] = [];
  const host = await Host.listen({ hostname, security: { keyPair, ...security }, ...options }, {
    connect: (peer) => void connected.push(peer),
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
    moved: (_peer, { port }) => void moved.push(port),
  });
  return {
    host,
    connected,
    moved,
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

const echo = async (peer: Peer, text: string) => {
  peer.send(0, text);
  return (await peer.receive({ timeoutMs: 10_000 })).packet.text();
};

test("Host.connect() with the server's key opens an encrypted connection", async (t) => {
  await leakCheck(t);
  await using server = await listen();
  await using client = await Host.create();
  const peer = await client.connect(server.host.address, { security: { serverKey } });
  assert.equal(await echo(peer, "hello"), "hello");
  const [remote] = server.connected;
  assert.ok(peer.encrypted && remote.encrypted);
  assert.equal(remote.address.hostname, hostname);
  assert.equal(remote.token, undefined);
  const { sessions, handshakes, retries } = server.host.stats.security;
  assert.deepEqual({ sessions, handshakes, retries }, { sessions: 1, handshakes: 1, retries: 1 });
  assert.equal(peer.stats.mtu, 1400 - 29);
});

test("Keys can be text, and an IPv6 connection has the MTU of IPv6", async (t) => {
  await leakCheck(t);
  const text = {
    publicKey: keyToText("host_public", keyPair.publicKey),
    secretKey: keyToText("host_secret", keyPair.secretKey),
  };
  await using server = await listen({ keyPair: text }, { hostname: "::1" });
  await using client = await Host.create();
  const peer = await client.connect(server.host.address, {
    security: { serverKey: text.publicKey },
  });
  assert.equal(await echo(peer, "six"), "six");
  assert.equal(server.connected[0].address.hostname, "::1");
  assert.equal(peer.stats.mtu, 1232 - 29);
});

test("A large message passes, and a lossy network loses nothing reliable", async (t) => {
  await leakCheck(t);
  await using server = await listen();
  const conditions = { latencyMs: 5, jitterMs: 4, loss: 0.1, duplicate: 0.05, corrupt: 0.02 };
  await using client = await Host.create({ conditions });
  const security = { serverKey };
  const peer = await client.connect(server.host.address, { security, timeoutMs: 20_000 });
  const text = "0123456789abcdef".repeat(4096);
  assert.equal(await echo(peer, text), text);
  for (let i = 0; i < 50; i++) peer.send(0, `message ${i}`);
  for (let i = 0; i < 50; i++) {
    assert.equal((await peer.receive({ timeoutMs: 20_000 })).packet.text(), `message ${i}`);
  }
});

test("A capture of a connection contains nothing of what was sent", async (t) => {
  await leakCheck(t);
  await using server = await listen();
  await using relay = await startRelay(server.host.address.port, 0, 1);
  const seen: Uint8Array[] = [];
  relay.tap = (data) => void seen.push(new Uint8Array(data));
  await using client = await Host.create();
  const to = { hostname, port: relay.port };
  const peer = await client.connect(to, { security: { serverKey }, data: 0x6B6C6D6E });
  assert.equal(await echo(peer, "a very secret sentence"), "a very secret sentence");
  await peer.disconnect();
  assert.ok(seen.length > 6);
  for (const datagram of seen) {
    const text = new TextDecoder("latin1").decode(datagram);
    assert.ok(!text.includes("secret") && !text.includes("klmn"), "text or data of the connection");
    assert.equal(datagram[0] & 0x0F, 0x0F, "every datagram is of the protocol");
  }
});

test("What cannot be authenticated gets silence", async (t) => {
  await leakCheck(t);
  const psk = generateSharedSecret();
  await using server = await listen({ psk });
  await using client = await Host.create();
  const to = server.host.address;
  const timeoutMs = 400;
  const other = (await generateKeyPair()).publicKey;
  const attempts = [
    { serverKey: other, psk },
    { serverKey, psk: generateSharedSecret() },
    { serverKey },
  ];
  const messages = await Promise.all(
    attempts.map((security) =>
      rejection(client.connect(to, { security, timeoutMs }), "ENETJS_ERR_SECURITY_NO_ANSWER")
    ),
  );
  for (const message of messages) assert.match(message, /serverKey is not the key of that server/);
  const plain = await rejection(client.connect(to, { timeoutMs }), "ENETJS_ERR_TIMEOUT");
  assert.match(plain, /it takes encrypted connections only/);
  const { unauthentic, malformed, plainRefused, handshakes } = server.host.stats.security;
  assert.ok(unauthentic >= 3 && plainRefused >= 1);
  assert.equal(malformed, 0, "a client without a psk is none of another version");
  assert.equal(handshakes, 0);
  const peer = await client.connect(to, { security: { serverKey, psk } });
  assert.equal(await echo(peer, "in"), "in");
});

test("An encrypted attempt without an answer names the causes that are left", async (t) => {
  await leakCheck(t);
  await using server = await listen();
  await using client = await Host.create({ checksum: "crc32" });
  const security = { serverKey };
  const connect = () => errorOf(client.connect(to, { security, timeoutMs: 300 }));
  const to = server.host.address;
  const differs = await connect();
  assert.equal(differs.code, "ENETJS_ERR_TIMEOUT");
  assert.match(differs.message, /the server has proved its key: .* checksum "crc32"$/);
  await server.host.close();
  const gone = await connect();
  assert.equal(gone.code, "ENETJS_ERR_SECURITY_NO_ANSWER");
  assert.equal(gone.unreachable, "port");
  assert.match(gone.message, /nothing listens on 127\.0\.0\.1:\d+ \(ICMP port unreachable\)$/);
  client.filter = { deny: ["127.0.0.0/8"] };
  assert.match((await connect()).message, /: the filter of this host denies the address$/);
});

test("A plain server is no answer to an encrypted attempt", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname });
  await using client = await Host.create();
  const security = { serverKey };
  const attempt = client.connect(server.address, { security, timeoutMs: 300 });
  await rejection(attempt, "ENETJS_ERR_SECURITY_NO_ANSWER");
});

test("With required: false plain and encrypted clients connect, and are counted apart", async (t) => {
  await leakCheck(t);
  await using server = await listen({ required: false });
  await using client = await Host.create();
  const plain = await client.connect(server.host.address);
  const encrypted = await client.connect(server.host.address, { security: { serverKey } });
  assert.equal(await echo(plain, "plain"), "plain");
  assert.equal(await echo(encrypted, "encrypted"), "encrypted");
  assert.deepEqual(server.connected.map((peer) => peer.encrypted), [false, true]);
  assert.equal(server.host.stats.security.plainPeers, 1);
  await plain.disconnect();
  await until(() => server.host.stats.security.plainPeers === 0, 10_000, "no plain peer");
});

test("A server knows the key of a client that has one", async (t) => {
  await leakCheck(t);
  const attempts: ConnectAttempt[] = [];
  await using server = await listen({}, {
    accept: (attempt: ConnectAttempt) => attempts.push(attempt) > 0,
  });
  await using client = await Host.create();
  const mine = await generateKeyPair();
  await client.connect(server.host.address, { security: { serverKey, keyPair: mine } });
  const key = keyToText("host_public", mine.publicKey);
  await until(() => server.connected.length, 10_000, "the connection");
  assert.equal(server.connected[0].clientKey, key);
  assert.equal(attempts[0].clientKey, key);
  assert.equal(attempts[0].address.hostname, hostname);
});

test("A connect token lets its client in once, and says who it is", async (t) => {
  await leakCheck(t);
  const attempts: ConnectAttempt[] = [];
  await using server = await listen({ tokens: { issuers: [issuer.publicKey] } }, {
    accept: (attempt: ConnectAttempt) => attempts.push(attempt) > 0,
  });
  await using client = await Host.create();
  const to = server.host.address;
  const claims = {
    clientId: "alice",
    expiresAtMs: Date.now() + 60_000,
    servers: [serverKey],
    userData: "red",
  };
  const token = await createToken(claims, issuer.secretKey);
  await client.connect(to, { security: { serverKey, token } });
  await until(() => server.connected.length, 10_000, "the connection");
  const got = server.connected[0].token;
  assert.equal(got?.clientId, "alice");
  assert.equal(new TextDecoder().decode(got?.userData), "red");
  assert.equal(attempts[0].token?.clientId, "alice");
  const faultOf = async (token: string | undefined): Promise<string | undefined> => {
    const error: ENetError = await errorOf(
      client.connect(to, { security: token === undefined ? { serverKey } : { serverKey, token } }),
    );
    assert.equal(error.code, "ENETJS_ERR_SECURITY_TOKEN");
    return error.tokenFault;
  };
  assert.equal(await faultOf(token), "used");
  assert.equal(await faultOf(undefined), "missing");
  const foreign = await generateIssuerKeyPair();
  assert.equal(await faultOf(await createToken(claims, foreign.secretKey)), "foreign");
  const elsewhere = { ...claims, servers: [foreign.publicKey] };
  assert.equal(await faultOf(await createToken(elsewhere, issuer.secretKey)), "other_server");
  const soon = { ...claims, expiresAtMs: Date.now() + 300 };
  const short = await createToken(soon, issuer.secretKey);
  await until(() => Date.now() > soon.expiresAtMs, 10_000, "the token's end");
  assert.equal(await faultOf(short), "expired");
  const { tokens } = server.host.stats.security;
  assert.deepEqual({ ...tokens }, {
    ...{ missing: 1, malformed: 0, foreign: 1, expired: 1, other_server: 1, used: 1, busy: 0 },
  });
});

test("A function provides a token for each connection of sessions()", async (t) => {
  await leakCheck(t);
  await using server = await listen({ tokens: { issuers: [issuer.publicKey] } });
  await using client = await Host.create();
  let tokens = 0;
  const token = () =>
    createToken({ clientId: ++tokens, expiresAtMs: Date.now() + 60_000 }, issuer.secretKey);
  const end = new AbortController();
  const retry = { minimumMs: 1 };
  const options = { security: { serverKey, token }, retry, signal: end.signal };
  for await (const peer of client.sessions(server.host.address, options)) {
    assert.equal(await echo(peer, "again"), "again");
    if (tokens === 3) end.abort();
    else await peer.disconnect();
  }
  assert.deepEqual(server.connected.map((peer) => peer.token?.clientId), [1n, 2n, 3n]);
  assert.equal(server.host.stats.security.retries, 1, "a client that comes back needs no RETRY");
});

test("What a function of tokens does wrong ends the attempt", async (t) => {
  await leakCheck(t);
  await using client = await Host.create();
  const connecting = (token: unknown, options: object = {}) =>
    client.connect({ hostname, port: 9 }, {
      security: { serverKey, token: token as string },
      ...options,
    });
  await assert.rejects(connecting(() => Promise.reject(new Error("login failed"))), /login failed/);
  await assert.rejects(connecting(() => undefined), /what security\.token returns must be text/);
  await rejection(connecting(() => "token_x"), "ENETJS_ERR_SECURITY_TOKEN");
  const never = () => new Promise<string>(() => {});
  const late = await rejection(connecting(never, { timeoutMs: 50 }), "ENETJS_ERR_TIMEOUT");
  assert.match(late, /the function security\.token has not returned a token yet$/);
  await assert.rejects(connecting(never, { signal: AbortSignal.abort() }), { name: "AbortError" });
  const closing = connecting(never);
  const closed = rejection(closing, "ENETJS_ERR_CLOSED");
  await client.close();
  await closed;
});

test("AES-256-GCM is used where both sides ask for it", async (t) => {
  await leakCheck(t);
  await using server = await listen({ aes: true });
  await using client = await Host.create();
  const ask = (aes: boolean) =>
    client.connect(server.host.address, { security: { serverKey, aes } });
  const text = "0123456789".repeat(2000);
  const without = await ask(false);
  assert.equal(without.cipher, "chacha20-poly1305");
  const peer = await ask(true);
  assert.equal(await echo(peer, text), text);
  await until(() => server.connected.length === 2, 10_000, "both connections");
  // Both are on this machine, whose processor may have no instructions for it.
  assert.equal(server.connected[1].cipher, peer.cipher);
  assert.equal(server.connected[0].cipher, "chacha20-poly1305");
});

test("The caller's keys stay as they are", async (t) => {
  await leakCheck(t);
  const pair = await generateKeyPair();
  const psk = generateSharedSecret();
  const before = JSON.stringify([pair, psk]);
  await using server = await listen({ keyPair: pair, psk });
  await using client = await Host.create();
  for (let connections = 0; connections < 2; connections++) {
    const security = { serverKey: pair.publicKey, psk };
    await client.connect(server.host.address, { security });
  }
  assert.equal(JSON.stringify([pair, psk]), before);
});

test("A connection follows its client to other ports, and loses no reliable message", async (t) => {
  await leakCheck(t);
  await using server = await listen();
  await using relay = await startRelay(server.host.address.port, 0, 1);
  await using client = await Host.create();
  const peer = await client.connect({ hostname, port: relay.port }, { security: { serverKey } });
  for (let round = 0; round < 5; round++) {
    await relay.move();
    for (let i = 0; i < 20; i++) {
      assert.equal(await echo(peer, `${round} ${i}`), `${round} ${i}`);
    }
    await until(() => server.moved.length === round + 1, 10_000, "the move");
  }
  assert.equal(new Set(server.moved).size, 5);
  assert.equal(server.connected.length, 1);
  assert.equal(server.connected[0].address.port, server.moved[4]);
  assert.equal(server.host.stats.security.moved, 5);
});

test("Copies of datagrams from elsewhere do not move a connection", async (t) => {
  await leakCheck(t);
  await using server = await listen();
  await using relay = await startRelay(server.host.address.port, 0, 1);
  await using thief = await Host.create();
  relay.tap = (data) => void thief.sendDatagram(server.host.address, new Uint8Array(data));
  await using client = await Host.create();
  const peer = await client.connect({ hostname, port: relay.port }, { security: { serverKey } });
  for (let i = 0; i < 50; i++) assert.equal(await echo(peer, `message ${i}`), `message ${i}`);
  relay.tap = undefined;
  for (let i = 0; i < 5; i++) assert.equal(await echo(peer, `again ${i}`), `again ${i}`);
  assert.equal(server.connected.length, 1);
  assert.notEqual(server.connected[0].address.port, thief.address.port);
});

test("duplicatePeers counts encrypted connections of one address", async (t) => {
  await leakCheck(t);
  await using server = await listen({}, { duplicatePeers: 1 });
  await using client = await Host.create();
  const security = { serverKey };
  await client.connect(server.host.address, { security });
  await rejection(client.connect(server.host.address, { security }), "ENETJS_ERR_REFUSED");
});

test("Sessions end with their peers", async (t) => {
  await leakCheck(t);
  await using server = await listen();
  await using client = await Host.create();
  const peer = await client.connect(server.host.address, { security: { serverKey } });
  await peer.disconnect(7);
  await withDeadline(server.connected[0].closed, 10_000, "the end");
  await until(() => server.host.stats.security.sessions === 0, 10_000, "no session");
  await until(() => client.stats.security.sessions === 0, 10_000, "no session of the client");
});

test("Wrong options of encryption are refused with what to do", async () => {
  const listening = (security: unknown, options: object = {}) =>
    Host.listen({ hostname, security: security as HostSecurity, ...options });
  await assert.rejects(listening({}), /security\.keyPair must be \{ publicKey, secretKey \}/);
  await assert.rejects(listening({ keyPair: generateKeyPair() }), /\(Promise\): await it/);
  await assert.rejects(listening({ keyPair: "host_secret_" }), /readKeyPair makes both/);
  await assert.rejects(listening({ keypair: keyPair }), /did you mean "keyPair"/);
  const swapped = { publicKey: keyPair.secretKey, secretKey: keyPair.publicKey };
  await assert.rejects(listening({ keyPair: swapped }), { code: "ENETJS_ERR_KEY_PAIR" });
  await assert.rejects(
    listening({ keyPair }, { compression: "range-coder" }),
    /allow it by security/,
  );
  await assert.rejects(listening({ keyPair }, { peers: 4000 }), /peers must be at most 3840/);
  await assert.rejects(listening({ keyPair, tokens: { issuers: [] } }), /1 to 16 keys, not 0/);
  await using client = await Host.create({ compression: "range-coder" });
  const to = { hostname, port: 9 };
  const connecting = (security: object) =>
    client.connect(to, { security: security as { serverKey: Uint8Array } });
  await assert.rejects(connecting({ serverKey }), /length of compressed messages/);
  await assert.rejects(connecting({ serverKey: "host_secret_x" }), /a key of the kind host_secret/);
  await assert.rejects(connecting({ serverKey: keyPair }), /two keys: pass its publicKey$/);
  await assert.rejects(connecting({ serverKey: new Uint8Array(32) }), /32 bytes that are all 0/);
  const smallOrder = new Uint8Array(32);
  smallOrder[0] = 1;
  smallOrder[31] = 0x80;
  await assert.rejects(connecting({ serverKey: smallOrder }), /a point of small order/);
  await assert.rejects(connecting({ serverKey, aes: 1 }), /security\.aes must be a boolean/);
  await assert.rejects(connecting({ serverKey, token: {} }), /pass what createToken resolves with/);
  const psk = generateSharedSecret();
  await assert.rejects(connecting({ serverKey, psk, keyPair }), /leave out the other/);
});

test("Compression inside encryption works where both sides allow it by name", async (t) => {
  await leakCheck(t);
  const compression = "range-coder";
  await using server = await listen({ compression: true }, { compression });
  await using client = await Host.create({ compression });
  const security = { serverKey, compression: true };
  const peer = await client.connect(server.host.address, { security });
  assert.equal(await echo(peer, "aaaa".repeat(500)), "aaaa".repeat(500));
});
