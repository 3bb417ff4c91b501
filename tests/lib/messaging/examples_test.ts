/**
 * The examples of messaging do what they say. `tests/readme_test.ts` runs them with the permissions that
 * they name.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRuntime, spawnRuntime, withDeadline } from "../../_helpers.ts";

/** The lines that an example prints. */
async function linesOf(name: string): Promise<string[]> {
  await using program = spawnRuntime(currentRuntime(), `../../examples/${name}`);
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, name);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  return stdout.trimEnd().split("\n");
}

/** The numbers of primes below 10,000, 20,000 and so on. */
const PRIMES = [1229, 2262, 3245, 4203, 5133, 6057, 6935, 7837, 8713, 9592, 10453, 11301];

test("The worker pool does every job, and says which may have been done twice", async () => {
  const lines = await linesOf("worker_pool.ts");
  const results = lines.filter((line) => line.startsWith("below "));
  const expected = PRIMES.map((count, i) => `below ${(i + 1) * 10_000}: ${count}`);
  assert.deepEqual(results.toSorted(), expected.toSorted());
  const again = lines.filter((line) => line.endsWith(" is done again: its worker was lost"));
  // The worker that was killed had two jobs: the one in which it was, and perhaps another.
  assert.ok(again.length >= 1 && again.length <= 2, lines.join("\n"));
  const lost = lines.filter((line) => line === "a worker has left: lost");
  assert.equal(lost.length, 1, lines.join("\n"));
});

test("The typed RPC returns results and rejects with the error of the function", async () => {
  const [first, second, third, ...others] = await linesOf("typed_rpc.ts");
  assert.deepEqual([first, second, others], ["Grace 50", "Alan 40", []]);
  assert.match(third, /^refused .* with RefusalCode\.FAILED: Nobody scores -1 points$/);
});

test("The server of UDP and TCP counts what has come over both", async () => {
  const lines = await linesOf("udp_and_tcp.ts");
  const connected = lines.filter((line) => line.startsWith("somebody"));
  assert.deepEqual(connected.toSorted(), [
    "somebody has connected over tcp",
    "somebody has connected over udp",
    "somebody has connected over udp",
  ]);
  assert.ok(lines.includes("30 on 2 servers"), lines.join("\n"));
});
