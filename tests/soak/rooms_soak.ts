/** 100 random schedules over clusters of three nats-servers: hosts and servers are killed, stopped and cut off. */
import process from "node:process";
import { test } from "node:test";
import { runSchedule } from "../lib/rooms/_processes.ts";

const first = Number(process.env.ENETJS_SEED ?? 1);

for (let seed = first; seed < first + 100; seed++) {
  test(`The schedule of seed ${seed} converges`, () => runSchedule(seed, 40));
}
