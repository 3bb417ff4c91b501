/** The backplanes pass the checks that are exported for those who write their own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { backplaneChecks, memory, nats, workers } from "../../../lib/rooms/mod.ts";
import { errorOf } from "../../_helpers.ts";
import { natsServer, startNats } from "../../_nats.ts";

for (const { name, part, run } of backplaneChecks) {
  test(`memory(): ${name}`, () => run(memory()));
  if (part === undefined) test(`workers(): ${name}`, () => run(workers(`check ${name}`)));
}

test("nats() passes the checks", { skip: natsServer() === undefined }, async (t) => {
  await using server = await startNats();
  for (const { name, run } of backplaneChecks) {
    await t.test(
      name,
      () => run(nats({ servers: server.url, prefix: "checks", storage: "memory" })),
    );
  }
});

test("nats() says what is missing", { skip: natsServer() === undefined }, async () => {
  await using server = await startNats({ jetStream: false });
  const handlers = { message() {}, entry() {}, status() {} };
  const { message } = await errorOf(
    nats({ servers: server.url }).connect("a", handlers, { store: true }),
  );
  assert.match(message, /JetStream.*nats-server with -js/);
  assert.throws(() => nats({ servers: [] }), /servers must be/);
  assert.throws(() => nats({ servers: "x", prefix: "a.b" }), /prefix must have/);
});
