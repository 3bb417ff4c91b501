import assert from "node:assert/strict";
import { test } from "node:test";
import { ENetError, Messenger, type MessengerConnectOptions } from "../../../lib/messaging/mod.ts";
import { errorOf, until } from "../../_helpers.ts";
import { CERT, KEY, OTHER_CERT, OTHER_KEY } from "./_certificate.ts";
import { rawConnect } from "./_wire.ts";

const tls = { cert: CERT, key: KEY };

test("TLS encrypts tcp, and a client that trusts another authority is not connected", async () => {
  await using listener = await Messenger.listen("tcp://127.0.0.1:0", { tls }, {
    request: (request) => request.data.text(),
  });
  const { port } = listener.address;
  await using client = await Messenger.connect(`tcp://localhost:${port}`, { tls: { ca: CERT } });
  assert.equal((await client.get("secret")).text(), "secret");
  const large = "x".repeat(1_000_000);
  assert.equal((await client.get(large)).text(), large);
  const untrusting = Messenger.connect(`tcp://localhost:${port}`, { tls: true });
  assert.equal((await errorOf(untrusting as Promise<unknown>)).code, "ENETJS_ERR_SOCKET");
  await using raw = await rawConnect(port);
  raw.send({ type: 6 });
  await raw.ended();
  await client.close();
  await until(() => listener.connections.length === 0, 20_000, "the end");
});

test("One side with TLS and one without do not connect, and are told why", async () => {
  await using secure = await Messenger.listen("tcp://127.0.0.1:0", { tls });
  await using plain = await Messenger.listen("tcp://127.0.0.1:0", { handshakeMs: 200 });
  const without = await errorOf(Messenger.connect(secure.address));
  // Node's server ends the stream, the others send an alert.
  assert.match(without.code, /^ENETJS_ERR_(REFUSED|PROTOCOL)$/);
  if (without.code === "ENETJS_ERR_PROTOCOL") assert.match(without.message, /an alert of TLS/);
  const within = await errorOf(Messenger.connect(plain.address, { tls: true }));
  assert.equal(within.code, "ENETJS_ERR_SOCKET");
  assert.match(within.message, /: TLS failed with ERR_SSL_WRONG_VERSION_NUMBER$/);
});

type Tls = MessengerConnectOptions["tls"];

/** Whether a client is connected. */
async function reaches(port: number, hostname: string, tls: Tls): Promise<boolean> {
  try {
    await using client = await Messenger.connect(`tcp://${hostname}:${port}`, { tls });
    return (await client.get("?", { timeoutMs: 5000 })).text() === "!";
  } catch (error) {
    if (error instanceof ENetError) return false;
    throw error;
  }
}

test("The name in the certificate must be that of the address, or serverName", async () => {
  const tls = { cert: OTHER_CERT, key: OTHER_KEY };
  const handlers = { request: () => "!" };
  await using listener = await Messenger.listen("tcp://127.0.0.1:0", { tls }, handlers);
  const { port } = listener.address;
  const ca = OTHER_CERT;
  assert.equal(await reaches(port, "localhost", { ca }), false);
  assert.equal(await reaches(port, "127.0.0.1", { ca }), false);
  assert.equal(await reaches(port, "127.0.0.1", { ca, serverName: "elsewhere.example" }), true);
  assert.equal(await reaches(port, "localhost", { ca, serverName: "localhost" }), false);
  assert.equal(await reaches(port, "localhost", undefined), false);
});

test("A listener with authorities lets nobody in without a certificate of theirs", async () => {
  let ready = 0;
  await using listener = await Messenger.listen(
    "tcp://127.0.0.1:0",
    { tls: { ...tls, ca: CERT } },
    {
      ready: () => void ready++,
      request: () => "!",
    },
  );
  const { port } = listener.address;
  const ca = CERT;
  assert.equal(await reaches(port, "localhost", { ca }), false);
  assert.equal(await reaches(port, "localhost", { ca, cert: OTHER_CERT, key: OTHER_KEY }), false);
  assert.equal(ready, 0);
  assert.equal(await reaches(port, "localhost", { ca, cert: CERT, key: KEY }), true);
});

test("Wrong keys are told by the name of the option", async () => {
  const wrong: [Record<string, string>, RegExp][] = [
    [{ cert: "x", key: KEY }, /^tls\.cert must be a certificate in PEM/],
    [{ cert: CERT, key: "x" }, /^tls\.key must be a private key in PEM/],
    [{ cert: CERT, key: OTHER_KEY }, /^tls\.key must be the private key of tls\.cert/],
    [{ cert: CERT, key: KEY, ca: "x" }, /^tls\.ca must be a certificate in PEM/],
  ];
  for (const [tls, message] of wrong) {
    const error = { name: "TypeError", message };
    await assert.rejects(Messenger.listen("tcp://127.0.0.1:0", { tls: tls as never }), error);
    await assert.rejects(Messenger.connect("tcp://127.0.0.1:9", { tls }), error);
  }
  await assert.rejects(
    Messenger.connect("tcp://127.0.0.1:9", { tls: { cert: CERT } }),
    /^TypeError: tls\.key is missing/,
  );
});
