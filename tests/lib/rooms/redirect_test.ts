/** Clients that are sent to another host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENetError, Host } from "../../../mod.ts";
import { readRedirect, redirect } from "../../../lib/rooms/mod.ts";
import {
  createToken,
  generateIssuerKeyPair,
  generateKeyPair,
  keyToText,
} from "../../../lib/security/mod.ts";
import { connectedPair, until } from "../../_helpers.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("A client reads where it is sent, and its connection ends", async () => {
  await using pair = await connectedPair();
  assert.equal(await redirect(pair.remote, "game-3.example.com:7777"), true);
  const { packet } = await pair.peer.receive();
  assert.deepEqual(readRedirect(packet.view), { address: "game-3.example.com:7777" });
  assert.equal((await pair.peer.closed).reason, "remote");
  await pair.remote.closed;
  assert.equal(await redirect(pair.remote, "game-3.example.com:7777"), false);
});

test("A client with a connect token gets one for the other host, which accepts it", async (t) => {
  const issuer = await generateIssuerKeyPair();
  const serve = async () => {
    const keyPair = await generateKeyPair();
    const tokens = { issuers: [issuer.publicKey] };
    const security = { keyPair, tokens } as never;
    return { keyPair, host: await Host.listen({ hostname: "127.0.0.1", security }) };
  };
  let first: Awaited<ReturnType<typeof serve>>;
  try {
    first = await serve();
  } catch (error) {
    if (error instanceof ENetError && error.code === "ENETJS_ERR_SECURITY") {
      return t.skip?.("without libsodium");
    }
    throw error;
  }
  await using north = first.host;
  const { host, keyPair } = await serve();
  await using south = host;
  await using client = await Host.create();
  const claims = { clientId: "ada", expiresAtMs: Date.now() + 60_000 };
  const token = await createToken(claims, issuer.secretKey);
  const serverKey = keyToText("host_public", first.keyPair.publicKey);
  const peer = await client.connect(north.address, { security: { serverKey, token } as never });
  const remote = await until(() => north.peers[0], 20_000, "the peer");
  await redirect(remote, south.address, {
    serverKey: keyToText("host_public", keyPair.publicKey),
    issuerSecretKey: issuer.secretKey,
  });
  const to = readRedirect((await peer.receive()).packet.view)!;
  await client.connect(to.address, {
    security: { serverKey: to.serverKey, token: to.token } as never,
  });
  const arrived = await until(() => south.peers[0], 20_000, "the peer at the other host");
  assert.equal(arrived.token?.clientId, "ada");
});

test("What is no redirect reads as undefined, whoever has sent it", () => {
  const good = 'enet-redirect 1\n{"address":"a:1"}';
  assert.deepEqual(readRedirect(bytes(good)), { address: "a:1" });
  const bad = [
    "",
    "hello",
    "enet-redirect 1\n",
    "enet-redirect 1\nnull",
    "enet-redirect 2\n{}",
    'enet-redirect 1\n{"address":7}',
    'enet-redirect 1\n{"address":"no port"}',
    'enet-redirect 1\n{"address":"a:1","token":7}',
    good.padEnd(9000),
  ];
  for (const text of bad) assert.equal(readRedirect(bytes(text)), undefined, text.slice(0, 60));
  assert.throws(() => readRedirect("x" as never), TypeError);
});

test("Wrong arguments of redirect are refused", async () => {
  await using pair = await connectedPair();
  const { remote } = pair;
  await assert.rejects(redirect(7 as never, "a:1"), /peer must be a Peer, not 7/);
  await assert.rejects(redirect(remote, "a"), TypeError);
  await assert.rejects(redirect(remote, "a:1", { validMs: 1 }), RangeError);
  const { secretKey } = await generateIssuerKeyPair();
  await assert.rejects(
    redirect(remote, "a:1", { issuerSecretKey: secretKey }),
    /clientId must be given/,
  );
});
