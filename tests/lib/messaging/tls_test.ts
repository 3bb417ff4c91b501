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
