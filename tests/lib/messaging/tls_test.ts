import assert from "node:assert/strict";
import { test } from "node:test";
import { Messenger } from "../../../lib/messaging/mod.ts";
import { errorOf, until } from "../../_helpers.ts";
import { CERT, KEY } from "./_certificate.ts";
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
