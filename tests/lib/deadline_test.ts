import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Deadline } from "../../lib/internal/deadline.ts";
import { block } from "../_helpers.ts";

/** Has the thread busy for a time in every turn. @returns how many turns a deadline needs to call */
async function turnsUntil(deadlineMs: number, busyMs: number, most: number): Promise<number> {
  let isOver = false;
  const deadline = new Deadline(deadlineMs, () => isOver = true);
  let turns = 0;
  for (; !isOver && turns < most; turns++) {
    block(busyMs);
    await setImmediate();
  }
  deadline.clear();
  return turns;
}

test("A deadline comes also in a program whose every turn is long", async () => {
  for (const deadlineMs of [200, 250]) assert.ok(await turnsUntil(deadlineMs, 150, 20) < 20);
});
