/**
 * A test of a game on a bad network, to be copied: the arena of `examples/arena`, whose players have a bad mobile
 * link. The seed decides which datagrams are lost and late, so every run meets the same network.
 *
 *     deno test --allow-ffi examples/lossy_test.ts
 *     bun test --timeout 60000 ./examples/lossy_test.ts
 *     node --disable-warning=ExperimentalWarning --test examples/lossy_test.ts
 *
 * How long a computer takes is not in the seed. So the tests wait for what must happen, however long it takes, and
 * assert what holds at any speed: nobody is thrown out, and no round trip is shorter than the link allows.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Conditions, Host, LinkQuality } from "@enetjs/enet";
import { Bot } from "./arena/bot.ts";
import { Arena } from "./arena/server.ts";

/** "Mobile, bad": 200 ± 50 ms in each direction, and 4 % of the datagrams are lost. */
const MOBILE_BAD: Conditions = { ...LinkQuality.POOR, seed: 7 };

/** There and back, at the least. */
const SHORTEST_ROUND_TRIP_MS = 2 * (200 - 50);

/** A bot that plays from a host of its own, and so over a link of its own. */
class Player implements AsyncDisposable {
  readonly bot: Bot;
  readonly host: Host;
  readonly #leave = new AbortController();
  readonly #over: Promise<void>;

  private constructor(name: string, host: Host, arena: Arena) {
    this.host = host;
    this.bot = new Bot(name, "play");
    this.#over = this.bot.play(host, arena.address, this.#leave.signal);
  }

  static async join(name: string, arena: Arena, conditions: Conditions | null): Promise<Player> {
    return new Player(name, await Host.create({ conditions }), arena);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave.abort();
    await this.#over;
    await this.host.close();
  }
}

/** Waits until something holds; the deadline is for what never happens. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("A player with a bad mobile link plays on", async () => {
  await using arena = await Arena.open("127.0.0.1", 0);
  await using player = await Player.join("mobile", arena, MOBILE_BAD);
  const { bot, host } = player;
  await until("50 snapshots", () => bot.snapshots >= 50);
  await until("10 inputs that came back", () => bot.roundTripsMs.length >= 10);

  assert.equal(bot.kicked, undefined);
  assert.equal(bot.connections, 1);
  assert.ok(Math.min(...bot.roundTripsMs) >= SHORTEST_ROUND_TRIP_MS);
  const stats = host.conditions?.stats;
  assert.ok(stats !== undefined && stats.receive.lost > 0 && stats.send.lost > 0);
});

test("A tunnel of a second ends no game", async () => {
  await using arena = await Arena.open("127.0.0.1", 0);
  await using player = await Player.join("train", arena, MOBILE_BAD);
  const { bot, host } = player;
  await until("a game that runs", () => bot.snapshots > 0);

  host.conditions?.blackout(1000);
  await until(
    "an input that is lost in the tunnel",
    () => (host.conditions?.stats.send.blackedOut ?? 0) > 0,
  );
  host.conditions = MOBILE_BAD; // daylight; what was under way arrives
  const { snapshots } = bot;
  await until("new snapshots", () => bot.snapshots > snapshots + 10);

  assert.equal(bot.kicked, undefined);
  assert.equal(bot.connections, 1);
});

test("A player with a bad link costs nobody else a snapshot", async () => {
  await using arena = await Arena.open("127.0.0.1", 0);
  await using far = await Player.join("far", arena, MOBILE_BAD);
  await using near = await Player.join("near", arena, null);
  await until(
    "round trips of both",
    () => [far, near].every(({ bot }) => bot.roundTripsMs.length >= 10),
  );

  assert.equal(near.bot.room, far.bot.room);
  assert.equal(near.bot.missed, 0);
  assert.ok(Math.min(...far.bot.roundTripsMs) >= SHORTEST_ROUND_TRIP_MS);
});
