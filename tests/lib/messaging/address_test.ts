import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAddress, parseAddress } from "../../../lib/messaging/address.ts";
import { ENetError, Messenger } from "../../../lib/messaging/mod.ts";
import { currentRuntime, errorOf, spawnRuntime } from "../../_helpers.ts";
import { PROTOCOLS } from "./_messaging.ts";

test("Addresses that are good are taken apart and put together", () => {
  for (
    const [text, hostname, port] of [
      ["udp://localhost:7000", "localhost", 7000],
      ["tcp://*:0", "*", 0],
      ["udp://*:65535", "*", 65535],
      ["tcp://[::1]:80", "::1", 80],
      ["udp://[::1]:80", "::1", 80],
      ["tcp://[2001:db8::7]:9", "2001:db8::7", 9],
      ["udp://192.0.2.1:007", "192.0.2.1", 7],
      ["tcp://a.b-c.example.:1", "a.b-c.example.", 1],
      ["tcp://_service.example:1", "_service.example", 1],
    ] as const
  ) {
    const address = parseAddress(text, true);
    assert.deepEqual([address.hostname, address.port], [hostname, port], text);
    assert.equal(formatAddress(address), text.replace("007", "7"));
  }
});

test("Each way in which an address can be wrong has its own error", () => {
  const reasons = new Map<string, string>();
  for (
    const [text, expected] of [
      ["localhost:7000", "has no scheme"],
      ["//localhost:7000", "has no scheme"],
      ["http://localhost:7000", "unknown scheme"],
      ["UDP://localhost:7000", "unknown scheme"],
      ["://localhost:7000", "unknown scheme"],
      ["udp://localhost", "no colon"],
      ["tcp://[::1]", "no colon"],
      ["udp://", "no colon"],
      ["udp://:7000", "has no host"],
      ["tcp://[]:7000", "has no host"],
      ["tcp://[::g]:7000", "no IPv6 address"],
      ["tcp://[localhost]:7000", "no IPv6 address"],
      ["tcp://::1:7000", "without brackets"],
      ["udp://1.2.3:7000", "bad host"],
      ["udp://1.2.3.256:7000", "bad host"],
      ["udp://a b:7000", "bad host"],
      ["udp://-a:7000", "bad host"],
      ["udp://user@host:7000", "bad host"],
      ["udp://a..b:7000", "bad host"],
      [`udp://${"a".repeat(300)}:7000`, "bad host"],
      ["udp://localhost:", "empty port"],
      ["udp://localhost:65536", "impossible port"],
      ["udp://localhost:70000", "impossible port"],
      ["udp://localhost:-1", "impossible port"],
      ["udp://localhost:1e3", "impossible port"],
      ["udp://localhost:7000/", "impossible port"],
      ["udp://localhost: 7000", "impossible port"],
    ] as const
  ) {
    assert.throws(() => parseAddress(text, true), (error) => {
      assert.ok(error instanceof ENetError && error.code === "ENETJS_ERR_ADDRESS", text);
      assert.match(error.message, new RegExp(expected), text);
      reasons.set(expected, text);
      return true;
    });
  }
  assert.throws(() => parseAddress("udp://*:7000", false), /only for listening/);
  assert.throws(() => parseAddress("tcp://localhost:0", false), /port 0/);
  assert.throws(() => parseAddress(7000, true), TypeError);
  assert.throws(() => parseAddress({ protocol: "udp", hostname: "*" }, true), {
    name: "TypeError",
    message: /\{ protocol, hostname, port \}/,
  });
  assert.throws(() => parseAddress({ protocol: "udp", hostname: "x", port: 1.5 }, true), {
    code: "ENETJS_ERR_ADDRESS",
  });
  assert.ok(reasons.size >= 9);
});

for (const protocol of PROTOCOLS) {
  test(`${protocol}: an address that is not of this machine is unavailable, and a wrong one is told`, async () => {
    const listen = (address: string) => errorOf(Messenger.listen(address) as Promise<unknown>);
    assert.equal(
      (await listen(`${protocol}://192.0.2.1:0`)).code,
      "ENETJS_ERR_ADDRESS_UNAVAILABLE",
    );
    assert.equal((await listen(`${protocol}://:1`)).code, "ENETJS_ERR_ADDRESS");
    const connect = (address: string) => errorOf(Messenger.connect(address) as Promise<unknown>);
    assert.equal((await connect(`${protocol}://*:1`)).code, "ENETJS_ERR_ADDRESS");
    const unknown = await connect(`${protocol}://no-such-name.invalid:1`);
    assert.equal(unknown.code, "ENETJS_ERR_RESOLVE");
  });

  test(`${protocol}: * listens everywhere, and the address tells the real port`, async () => {
    await using listener = await Messenger.listen(`${protocol}://*:0`, {}, {
      request: () => "here",
    });
    const { hostname, port } = listener.address;
    assert.equal(hostname, "0.0.0.0");
    await using connection = await Messenger.connect(`${protocol}://localhost:${port}`);
    assert.equal((await connection.get()).text(), "here");
    assert.deepEqual({ ...connection.address, hostname: "" }, { protocol, hostname: "", port });
    assert.equal(listener.connections[0].address.hostname, "127.0.0.1");
  });
}

test("Wrong options are told with their names", async () => {
  const url = "tcp://127.0.0.1:0";
  const rejects = async (
    options: object,
    kind: typeof TypeError | typeof RangeError,
    text: RegExp,
  ) => {
    await assert.rejects(Messenger.listen(url, options), (error) => {
      return error instanceof kind && text.test(error.message);
    });
  };
  await rejects({ timeoutMs: 1 }, TypeError, /no option "timeoutMs"/);
  await rejects({ heartbeatMs: 0 }, RangeError, /heartbeatMs/);
  await rejects({ heartbeatMs: 1000, lostMs: 1500 }, RangeError, /lostMs .*2000/);
  await rejects({ maximumMessageSize: 2 ** 30 + 1 }, RangeError, /maximumMessageSize/);
  await rejects({ maximumQueuedBytes: 2 ** 18 - 1 }, RangeError, /maximumQueuedBytes .*262144/);
  await assert.rejects(
    Messenger.listen("udp://127.0.0.1:0", { maximumMessageSize: 2 ** 25 + 1 }),
    RangeError,
  );
  await using _ = await Messenger.listen(url, { highWaterMark: 2 ** 30 });
  await rejects({ connections: 0 }, RangeError, /connections/);
  await rejects({ codec: {} }, TypeError, /codec/);
  await rejects({ tls: { cert: "x" } }, TypeError, /tls.key is missing/);
  await rejects({ request() {} }, TypeError, /"request": handlers are the third argument/);
  await assert.rejects(
    Messenger.listen("udp://127.0.0.1:0", { tls: { cert: "x", key: "y" } }),
    /tls encrypts tcp only/,
  );
  await assert.rejects(
    Messenger.listen(url, {}, { mesage() {} } as object),
    /did you mean "message"/,
  );
  await assert.rejects(Messenger.connect("tcp://127.0.0.1:1", { signal: 1 as never }), TypeError);
});

test("An address in its parts is taken as the text of it is", () => {
  for (const text of ["udp://*:0", "tcp://[::1]:7000", "udp://localhost:65535"]) {
    const address = parseAddress(text, true);
    assert.deepEqual(parseAddress(address, true), address);
  }
});

const skip = currentRuntime() !== "deno";

test("Listening without a permission rejects", { skip }, async () => {
  const onlyFlags = [
    "run",
    "--no-check",
    "--no-prompt",
    "--allow-ffi",
    "--allow-env",
    "--allow-read",
  ];
  const args = ["tcp://127.0.0.1:0", "{}"];
  await using program = spawnRuntime("deno", "messenger_peer.ts", args, { onlyFlags });
  const { code, stderr } = await program.ended;
  assert.equal(code, 1);
  assert.match(stderr, /ENetError: Listening on tcp:\/\/127\.0\.0\.1:0: run with --allow-net/);
});
