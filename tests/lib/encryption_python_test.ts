/**
 * A second implementation of the client, in Python, written from `docs/security-protocol.md` alone. It is a tunnel: a
 * plain host connects through it to an encrypted one.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Host, type HostSecurity, type Peer } from "../../mod.ts";
import {
  createToken,
  generateIssuerKeyPair,
  generateKeyPair,
  generateSharedSecret,
  keyToText,
} from "../../lib/security/mod.ts";
import { spawnProgram, until } from "../_helpers.ts";

const FILE = fileURLToPath(new URL("../programs/security_client.py", import.meta.url));
const hostname = "127.0.0.1";

const probe =
  "import importlib.util as u; exit(not (u.find_spec('nacl') or u.find_spec('cryptography')))";
const skip = spawnSync("python3", ["-c", probe]).status === 0
  ? false
  : "python3 with PyNaCl or cryptography is not on this machine, so no second implementation connects";

if (skip) console.warn(`SKIPPED: ${skip}`);

const keyPair = await generateKeyPair();
const serverKey = keyToText("host_public", keyPair.publicKey);

/** Connects a plain host through the tunnel, has messages echoed, renews its key and moves it. */
async function passes(
  security: Partial<HostSecurity>,
  keys: Record<string, string | boolean>,
  look: (remote: Peer, host: Host) => void,
): Promise<void> {
  const connected: Peer[] = [];
  const moved: number[] = [];
  await using server = await Host.listen({ hostname, security: { keyPair, ...security } }, {
    connect: (peer) => void connected.push(peer),
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
    moved: (_peer, { port }) => void moved.push(port),
  });
  await using tunnel = spawnProgram("python3", [FILE], { name: "security_client.py" });
  tunnel.write(JSON.stringify({ port: server.address.port, serverKey, ...keys }));
  const port = Number.parseInt(await tunnel.line('{"port": '));
  await tunnel.line('{"open": true');
  await using client = await Host.create();
  const peer = await client.connect({ hostname, port });
  const echo = async (text: string) => {
    peer.send(0, text);
    assert.equal((await peer.receive({ timeoutMs: 30_000 })).packet.text(), text);
  };
  await echo("hello");
  await echo("0123456789".repeat(2000));
  tunnel.write("rekey");
  await tunnel.line('{"rekeyed": 1');
  await echo("with a new key");
  tunnel.write("move");
  const there = Number.parseInt(await tunnel.line('{"moved": '));
  await echo("from another port");
  await until(() => moved.length > 0, 30_000, "the move");
  assert.deepEqual(moved, [there]);
  await echo("goodbye");
  look(connected[0], server);
}

test("The client in Python connects with the server's key", { skip }, async () => {
  await passes({}, {}, (remote, host) => {
    assert.ok(remote.encrypted);
    assert.equal(host.stats.security.forged, 0);
  });
});

test("The client in Python connects with a pre-shared key", { skip }, async () => {
  const psk = generateSharedSecret();
  await passes({ psk }, { psk: keyToText("shared_secret", psk) }, () => {});
});

test("The client in Python connects with a key pair and a token", { skip }, async () => {
  const issuer = await generateIssuerKeyPair();
  const mine = await generateKeyPair();
  const claims = { clientId: 42, expiresAtMs: Date.now() + 60_000 };
  const token = await createToken(claims, issuer.secretKey);
  const keys = { token, secretKey: keyToText("host_secret", mine.secretKey) };
  await passes({ tokens: { issuers: [issuer.publicKey] } }, keys, (remote) => {
    assert.equal(remote.token?.clientId, 42n);
    assert.equal(remote.clientKey, keyToText("host_public", mine.publicKey));
  });
});

/** PyNaCl has no AES-256-GCM. */
const hasAes = spawnSync("python3", [
  "-c",
  "from cryptography.hazmat.primitives.ciphers.aead import AESGCM",
]).status === 0;

test("The client in Python connects with AES-256-GCM", { skip: skip || !hasAes }, async () => {
  await passes({ aes: true }, { aes: true }, (remote, host) => {
    // The processor may have no instructions for it. Then the REPLY says so.
    assert.ok(remote.cipher === "aes-256-gcm" || remote.cipher === "chacha20-poly1305");
    assert.equal(host.stats.security.forged, 0);
  });
});

test(
  "The client in Python needs no RETRY with the cookie of its last session",
  { skip },
  async () => {
    await using server = await Host.listen({ hostname, security: { keyPair } });
    const open = async (keys: object): Promise<string> => {
      await using tunnel = spawnProgram("python3", [FILE], { name: "security_client.py" });
      tunnel.write(JSON.stringify({ port: server.address.port, serverKey, ...keys }));
      return (await tunnel.line('{"open": true, "cookie": "')).slice(0, 32);
    };
    const cookie = await open({});
    assert.equal(server.stats.security.retries, 1);
    await open({ cookie });
    assert.equal(server.stats.security.retries, 1);
    await open({ cookie: cookie.replaceAll(/^../g, "00") });
    assert.equal(server.stats.security.retries, 2);
  },
);

test("The client in Python is told why its token is refused", { skip }, async () => {
  const issuers = [(await generateIssuerKeyPair()).publicKey];
  await using server = await Host.listen({ hostname, security: { keyPair, tokens: { issuers } } });
  await using tunnel = spawnProgram("python3", [FILE], { name: "security_client.py" });
  tunnel.write(JSON.stringify({ port: server.address.port, serverKey }));
  assert.equal(Number.parseInt(await tunnel.line('{"status": ')), 1);
});
