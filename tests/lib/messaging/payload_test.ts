import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import type { Payload } from "../../../lib/messaging/mod.ts";
import { equalBytes, leakCheck, type TestContext, withDeadline } from "../../_helpers.ts";
import { connected, PROTOCOLS } from "./_messaging.ts";

for (const protocol of PROTOCOLS) {
  test(`${protocol}: bytes are the program's own, whatever lies beside them`, async (t) => {
    await leakCheck(t as TestContext);
    await using pair = await connected(protocol, {
      server: { request: ({ data }) => data },
    });
    // Two replies that come together, and one that is too large for that.
    for (const size of [3, 3, 100_000]) {
      const sent = new Uint8Array(size).fill(size);
      const [reply, other] = await withDeadline(
        Promise.all([pair.client.get(sent), pair.client.get(sent)]),
        10_000,
        "replies",
      );
      const { bytes } = reply;
      assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
      assert.equal(Object.getPrototypeOf(reply.view), Uint8Array.prototype);
      assert.equal(bytes.buffer.byteLength, size);
      assert.equal(reply.bytes, bytes);
      bytes[0] = 77;
      equalBytes(reply.view, sent);
      equalBytes(other.bytes, sent);
      reply.dispose();
      assert.equal(bytes[0], 77);
      assert.throws(() => reply.bytes, { code: "ENETJS_ERR_RELEASED" });
      equalBytes(other.view, sent);
      other.dispose();
    }
  });

  test(`${protocol}: data shows what it is`, async (t) => {
    await leakCheck(t as TestContext);
    const shown: string[] = [];
    let kept: Payload | undefined;
    await using pair = await connected(protocol, {
      server: {
        request({ data }) {
          shown.push(inspect(data));
          kept = data;
          return "";
        },
      },
    });
    await pair.client.get("text");
    await pair.client.get(new Uint8Array([1, 255]));
    await pair.client.get();
    shown.push(inspect(kept));
    assert.deepEqual(shown, [
      "Payload { text, 4 bytes: 74 65 78 74 }",
      "Payload { bytes, 2 bytes: 01 ff }",
      "Payload { nothing, 0 bytes }",
      "Payload { released }",
    ]);
  });
}

test("What a handler writes to a view is what the data is from then on", async (t) => {
  await leakCheck(t as TestContext);
  for (const protocol of PROTOCOLS) {
    const views: Uint8Array[] = [];
    await using pair = await connected(protocol, {
      server: {
        request({ data }) {
          const { view } = data;
          view[0] = 88;
          views.push(view);
          equalBytes(data.bytes, data.view);
          return data;
        },
      },
    });
    for (const size of [3, 300, 3000, 100_000]) {
      const sent = new Uint8Array(size).fill(size);
      const reply = await withDeadline(pair.client.get(sent), 10_000, "the reply");
      const expected = sent.fill(88, 0, 1);
      equalBytes(reply.bytes, expected);
      // After its handler, a view is empty or still shows its own message.
      if (views[0].length > 0) equalBytes(views[0], new Uint8Array(3).fill(3).fill(88, 0, 1));
      reply.dispose();
    }
  }
});
