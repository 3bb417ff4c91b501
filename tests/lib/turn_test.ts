import assert from "node:assert/strict";
import { test } from "node:test";
import { Host } from "../../mod.ts";
import { burn, Bystanders, receiveFlood, WAYS, WORK_MS } from "../_flood.ts";
import { currentRuntime, leakCheck, spawnRuntime, until, withDeadline } from "../_helpers.ts";

const COUNT = 8_000;
/** What 5 ms suffice for, and as much again for each thing that may come between two calls of a timer. */
const MOST_IN_A_ROW = 6 * 5 / WORK_MS;

function assertServed({ lateMs, longest, segments }: Bystanders) {
  assert.ok(longest <= MOST_IN_A_ROW, `${longest} messages without a timer`);
  assert.ok(lateMs.length >= COUNT / MOST_IN_A_ROW, `the timer was called ${lateMs.length} times`);
  assert.ok(segments >= COUNT / MOST_IN_A_ROW / 2, `${segments} TCP segments`);
}

for (const way of WAYS) {
  test(`A flood that is received by ${way} leaves timers and sockets their turn`, async (t) => {
    await leakCheck(t);
    using bystanders = await Bystanders.create();
    const flood = receiveFlood(way, COUNT, () => {
      bystanders.message();
      burn(WORK_MS);
    });
    await withDeadline(flood, 30_000, "the flood");
    assertServed(bystanders);
  });
}

test("Two floods of two hosts share a turn, and both get on", async (t) => {
  await leakCheck(t);
  using bystanders = await Bystanders.create();
  const received = [0, 0];
  const since = [0, 0];
  let others: number | undefined;
  const floods = (["handlers", "peer iteration"] as const).map((way, i) =>
    receiveFlood(way, COUNT, () => {
      received[i]++;
      if (received[0] > 0 && received[1] > 0) {
        bystanders.message();
        // What one of them has taken must not have kept the other from all of its own.
        if (++since[i] === COUNT / 4) others ??= since[1 - i];
      }
      burn(WORK_MS);
    })
  );
  await withDeadline(Promise.all(floods), 60_000, "the floods");
  assert.ok(bystanders.longest <= MOST_IN_A_ROW, `${bystanders.longest} messages without a timer`);
  assert.ok(
    others === undefined || others > 0,
    "one flood kept the other from all of its messages",
  );
});

test("A call of host.service() ends within a flood, and the next ones go on", async (t) => {
  await leakCheck(t);
  let next = 0;
  await using server = await Host.listen({ hostname: "127.0.0.1", pump: false }, {
    receive(_peer, _channelId, { view }) {
      assert.equal(new DataView(view.buffer, view.byteOffset).getUint32(0), next++);
      burn(WORK_MS);
    },
  });
  await using _client = spawnRuntime(currentRuntime(), "flood.ts", [
    `${server.address.port}`,
    `${COUNT}`,
  ]);
  let longest = 0;
  await until(
    () => {
      const before = next;
      server.service(10);
      longest = Math.max(longest, next - before);
      return next === COUNT;
    },
    60_000,
    "the flood",
  );
  assert.ok(longest <= MOST_IN_A_ROW, `${longest} messages in one call`);
});

test("A larger turnBudgetMs makes longer turns", async (t) => {
  await leakCheck(t);
  using bystanders = await Bystanders.create();
  await receiveFlood("handlers", COUNT, () => {
    bystanders.message();
    burn(WORK_MS);
  }, { turnBudgetMs: 5000 });
  const { longest } = bystanders;
  assert.ok(longest > MOST_IN_A_ROW, `only ${longest} messages in a turn of 5 s`);
});

test("Deliveries are told of while a flood is received", async (t) => {
  await leakCheck(t);
  let received = 0;
  let delivered = 0;
  await using other = await Host.listen({ hostname: "127.0.0.1" }, {});
  await using host = await Host.create();
  const peer = await host.connect(other.address);
  const deliver = async () => {
    while (received < COUNT) {
      await peer.deliver(0, "completion");
      delivered++;
    }
  };
  const flood = receiveFlood("host iteration", COUNT, () => {
    if (received++ === 0) void deliver();
    burn(WORK_MS);
  });
  await withDeadline(flood, 30_000, "the flood");
  assert.ok(delivered >= COUNT / MOST_IN_A_ROW / 2, `${delivered} deliveries`);
});

test("What a handler throws ends the process in the midst of a flood", async () => {
  await using server = spawnRuntime(currentRuntime(), "flood_throwing.ts");
  const port = await server.line("port ");
  await using _client = spawnRuntime(currentRuntime(), "flood.ts", [port, `${COUNT}`]);
  const { code, stdout, stderr } = await withDeadline(server.ended, 60_000, "the end");
  assert.equal(code, 1, stderr);
  assert.match(stderr, /In a flood/);
  const received = Number(/received (\d+)/.exec(stdout)?.[1] ?? 1000);
  assert.ok(received < 1000 + MOST_IN_A_ROW, `${received} messages`);
});
