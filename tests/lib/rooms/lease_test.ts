/** Leases, and where a room belongs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Backplane, type BackplaneStore, memory, type Rooms } from "../../../lib/rooms/mod.ts";
import { chooseHost } from "../../../lib/rooms/rendezvous.ts";
import { rejection, until } from "../../_helpers.ts";
import { agree, messages, openPlaces } from "./_rooms.ts";

const LEASES = { leases: true };
const bytes = (text: string) => new TextEncoder().encode(text);

/** A backplane on which the writes of some hosts can be held back, as if their process was stopped. */
function stoppable(): { backplane: Backplane; stop(rooms: Rooms): () => void } {
  const inner = memory();
  const stopped = new Map<string, Promise<void>>();
  return {
    stop({ id }) {
      const { promise, resolve } = Promise.withResolvers<void>();
      stopped.set(id, promise);
      return resolve;
    },
    backplane: {
      async connect(id, handlers, needs) {
        const connection = await inner.connect(id, handlers, needs);
        const real = connection.store as BackplaneStore;
        const store: BackplaneStore = {
          get: async (key) => (await stopped.get(id), real.get(key)),
          put: async (...args) => (await stopped.get(id), real.put(...args)),
        };
        return new Proxy(connection, {
          get(target, name) {
            if (name === "store") return store;
            const value = Reflect.get(target, name);
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
      },
    },
  };
}

test("One host has the lease of a room, and the next one gets its state and a higher fence", async () => {
  await using cluster = await openPlaces(2, LEASES);
  const [north, south] = cluster.places.map(({ rooms }) => rooms);
  const first = await north.claim("arena");
  assert.deepEqual([first.valid, first.state.length], [true, 0]);
  const message = await rejection(south.claim("arena", { timeoutMs: 0 }), "ENETJS_ERR_LEASE");
  assert.match(message, /another holder has had the lease for 0 ms/);
  await rejection(north.claim("arena", { timeoutMs: 0 }), "ENETJS_ERR_LEASE");
  await first.save(bytes("round 7"));
  await first.release();
  await first.release();
  assert.equal(first.valid, false);
  await using second = await south.claim("arena");
  assert.equal(new TextDecoder().decode(second.state), "round 7");
  assert.ok(second.fence > first.fence);
  await rejection(first.save(bytes("late")), "ENETJS_ERR_LEASE");
  assert.throws(() => first.send(0, "late"), { code: "ENETJS_ERR_LEASE" });
});

test("A lease renews itself, and outlasts its time", async () => {
  await using cluster = await openPlaces(2, LEASES);
  const [north, south] = cluster.places.map(({ rooms }) => rooms);
  await using lease = await north.claim("arena", { ttlMs: 500 });
  await rejection(south.claim("arena", { timeoutMs: 1200 }), "ENETJS_ERR_LEASE");
  assert.equal(lease.valid, true);
});

test("The backplane refuses a holder that was stopped; hosts drop what it still sends", async () => {
  const { backplane, stop } = stoppable();
  await using cluster = await openPlaces(3, LEASES, backplane);
  const [north, south, third] = cluster.places;
  const client = await third.connect();
  third.rooms.join(client.peer, "arena");
  await agree(cluster.places, "arena", 1);
  const stale = await north.rooms.claim("arena", { ttlMs: 500 });
  const saving = await (async () => {
    const go = stop(north.rooms);
    const saving = stale.save(bytes("stale"));
    const lease = await south.rooms.claim("arena", { ttlMs: 500 });
    lease.send(0, "of the new holder");
    await messages(client, 1);
    go();
    return { saving, lease };
  })();
  await rejection(saving.saving, "ENETJS_ERR_LEASE");
  assert.equal(stale.signal.aborted, true);
  assert.equal(new TextDecoder().decode(saving.lease.state), "");
  await saving.lease.release();
  // What a holder has sent that did not know yet: the same frame, with its lower fence.
  const { encodeFenced } = await import("../../../lib/rooms/frame.ts");
  const connection = await backplane.connect("0".repeat(16), {
    message() {},
    entry() {},
    status() {},
  }, {});
  connection.publish("room.arena", encodeFenced(stale.fence, 0, 1, bytes("stale")));
  connection.publish("room.arena", encodeFenced(saving.lease.fence, 0, 1, bytes("valid")));
  assert.deepEqual(await messages(client, 2), ["0 of the new holder", "0 valid"]);
  assert.equal(third.rooms.stats.refused, 1);
  await connection.close();
});

test("Closing the rooms releases their leases; waiting for one can be given up", async () => {
  await using cluster = await openPlaces(2, LEASES);
  const [north, south] = cluster.places.map(({ rooms }) => rooms);
  const lease = await north.claim("arena", { ttlMs: 600_000 });
  const controller = new AbortController();
  const waiting = south.claim("arena", { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await north.close();
  assert.equal(lease.signal.aborted, true);
  await using _ = await south.claim("arena", { timeoutMs: 5000 });
  await rejection(north.claim("arena"), "ENETJS_ERR_CLOSED");
  await assert.rejects(south.claim("arena", { ttlMs: 1 }), RangeError);
});

test("claim without leases says which option is missing", async () => {
  await using cluster = await openPlaces(1);
  await assert.rejects(cluster.places[0].rooms.claim("a"), /needs the option leases: true/);
});

test("All hosts name the same host for a room, and a host that goes moves its own rooms only", async () => {
  await using cluster = await openPlaces(3, { address: "game.example.com:7777" });
  const all = cluster.places.map(({ rooms }) => rooms);
  const rooms = Array.from({ length: 300 }, (_, i) => `room ${i}`);
  const placed = rooms.map((room) => all[0].host(room).id);
  for (const one of all) assert.deepEqual(rooms.map((room) => one.host(room).id), placed);
  assert.equal(all[0].host("x").address, "game.example.com:7777");
  for (const { id } of all) {
    assert.ok(placed.filter((host) => host === id).length > 60, placed.join());
  }
  await all[2].close();
  await until(() => all.slice(0, 2).every((one) => one.hosts().length === 2), 20_000, "two hosts");
  for (const [i, room] of rooms.entries()) {
    if (placed[i] !== all[2].id) assert.equal(all[1].host(room).id, placed[i]);
  }
});

test("Rendezvous hashing spreads rooms evenly and is the same everywhere", () => {
  const hosts = ["a", "b", "c", "d"].map((id) => ({ id }));
  const counts = new Map<string, number>();
  for (let i = 0; i < 4000; i++) {
    const { id } = chooseHost(hosts, `room ${i}`);
    assert.equal(chooseHost(hosts.toReversed(), `room ${i}`).id, id);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const count of counts.values()) assert.ok(count > 850 && count < 1150, String(count));
});
