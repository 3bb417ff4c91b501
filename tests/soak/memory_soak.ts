/** The whole counts of packet_test.ts: memory is flat in every style and size. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRuntime, spawnRuntime, withDeadline } from "../_helpers.ts";

for (const style of ["iterate", "handle", "poll"]) {
  for (const [size, count] of [[64, 1_000_000], [65_536, 20_000], [2 ** 20, 2_000]]) {
    test(`Memory stays flat over ${count} messages of ${size} bytes, style ${style}`, async () => {
      const args = [style, String(size), String(count)];
      await using child = spawnRuntime(currentRuntime(), "packet_flat.ts", args);
      const { code, signal, stdout, stderr } = await withDeadline(child.ended, 600_000, style);
      assert.equal(code, 0, `${signal}\n${stdout}\n${stderr}`);
      console.log(stdout.trim());
    });
  }
}
