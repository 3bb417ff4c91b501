/** A million gets in a row on each transport, and large ones: every one has its reply, and memory is flat. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRuntime, spawnRuntime, withDeadline } from "../_helpers.ts";

for (const protocol of ["udp", "tcp"]) {
  for (const [size, count] of [[64, 1_000_000], [200_000, 5_000]]) {
    test(`${protocol}: ${count} gets of ${size} bytes, and memory stays flat`, async () => {
      const args = [protocol, String(size), String(count)];
      await using child = spawnRuntime(currentRuntime(), "messenger_flat.ts", args);
      const { code, signal, stdout, stderr } = await withDeadline(child.ended, 600_000, protocol);
      assert.equal(code, 0, `${signal}\n${stdout}\n${stderr}`);
      console.log(stdout.trim());
    });
  }
}
