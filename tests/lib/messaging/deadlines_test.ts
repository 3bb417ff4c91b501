import assert from "node:assert/strict";
import { test } from "node:test";
import { Deadline, Deadlines, TICK_MS } from "../../../lib/messaging/deadlines.ts";
import { randomOf } from "../../_relay.ts";

class Entry extends Deadline {
  expiredAt: number | undefined;
  readonly #onExpire: (entry: Entry) => void;

  constructor(onExpire: (entry: Entry) => void = () => {}) {
    super();
    this.#onExpire = onExpire;
  }

  override expire(now: number): void {
    assert.equal(this.expiredAt, undefined);
    this.expiredAt = now;
    this.#onExpire(this);
  }
}

test("Deadlines expire in order, never early and not late, however far away they are", () => {
  const random = randomOf(3);
  let now = 123_456.7;
  let wake = Infinity;
  const deadlines = new Deadlines(now, (at) => wake = at);
  const expected = new Map<Entry, number>();
  const order: number[] = [];
  for (let round = 0; round < 3000; round++) {
    for (let i = 0; i < 5; i++) {
      const entry: Entry = new Entry((self) => {
        const at = expected.get(self) as number;
        assert.ok(now >= at, "early");
        order.push(at);
        expected.delete(self);
      });
      const at = now + Math.max(0, random() ** 4 * 60_000 - 10);
      deadlines.add(entry, at);
      expected.set(entry, at);
    }
    for (const entry of expected.keys()) {
      if (random() < 0.5) break;
      if (random() < 0.5) {
        deadlines.remove(entry);
        expected.delete(entry);
      } else {
        const at = now + random() * 100;
        deadlines.add(entry, at);
        expected.set(entry, at);
      }
    }
    assert.equal(deadlines.size, expected.size);
    now += random() < 0.01 ? random() * 20_000 : random() * 20;
    order.length = 0;
    deadlines.advance(now);
    assert.deepEqual(order, order.toSorted((a, b) => a - b));
    for (const at of expected.values()) assert.ok(at > now - TICK_MS, "late");
    assert.ok(
      deadlines.size === 0 || wake <= Math.min(...expected.values()) + TICK_MS,
      "no wake-up",
    );
  }
});

test("An entry that expires may add and remove others", () => {
  const deadlines = new Deadlines(0, () => {});
  const removed = new Entry();
  const added = new Entry();
  const first = new Entry(() => {
    deadlines.remove(removed);
    deadlines.add(added, 5);
  });
  deadlines.add(first, 8);
  deadlines.add(removed, 9);
  deadlines.advance(20);
  assert.equal(removed.expiredAt, undefined);
  assert.equal(added.expiredAt, undefined);
  deadlines.advance(24);
  assert.equal(added.expiredAt, 24);
  assert.equal(deadlines.size, 0);
});

test("The owner is woken once for many deadlines of the same length", () => {
  let wakes = 0;
  const deadlines = new Deadlines(0, () => wakes++);
  for (let now = 0; now < 4000; now++) deadlines.add(new Entry(), now + 5000);
  assert.equal(wakes, 1);
});
