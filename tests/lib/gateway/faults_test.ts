/** What a program that is being debugged learns of browsers that end for a fault. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRuntime, spawnRuntime, withDeadline } from "../../_helpers.ts";

const EXPECTED = [
  /its first message is no HELLO$/,
  /a text message$/,
  /no frame of data$/,
  /its WebSocket has ended with 1009 "/,
  /its WebSocket has ended with 4711 "\\u001b\[2J"$/,
];

test("ENETJS_DEBUG says once for which fault a browser has ended", async () => {
  for (const debug of [true, false]) {
    await using child = spawnRuntime(currentRuntime(), "gateway_faults.ts", [], {
      env: { ENETJS_DEBUG: debug ? "1" : "0" },
    });
    const { code, stdout, stderr } = await withDeadline(child.ended, 60_000, "the program");
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.equal(stdout, "4004\n4004\n4004\n1009\n".repeat(2), stderr);
    const warnings = stderr.split("now\n").slice(0, -1)
      .map((part) => part.match(/^ENETJS_DEBUG: .*$/gm) ?? []);
    const expected = [...EXPECTED, ...EXPECTED];
    assert.deepEqual(warnings.map(({ length }) => length), expected.map(() => Number(debug)));
    for (const [i, [warning]] of warnings.entries()) {
      if (!debug) continue;
      assert.match(warning, /^ENETJS_DEBUG: Browser 127\.0\.0\.1:\d+: /);
      assert.match(warning, expected[i]);
    }
  }
});
