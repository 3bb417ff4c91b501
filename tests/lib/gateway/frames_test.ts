/**
 * The protocol, case by case: the public case list of the Autobahn test suite for servers, played by a client made of a
 * TCP socket. Large sizes are scaled down. Sections 12 and 13 are about compression, which is off.
 *
 * Case 6.4 asks that a text which is not UTF-8 fails before its last fragment has come. `ws` looks at whole messages, so
 * the server fails it then; Autobahn calls that non-strict.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { listenSockets, prepareMessage, type SocketServer } from "../../../lib/gateway/mod.ts";
import { closing, describe, frame, RawClient } from "./_raw.ts";
import { UTF8_CASES } from "./_utf8_cases.ts";

/** What a client sends, and what it must get; what follows a close frame is not looked at. */
interface Case {
  readonly name: string;
  readonly sends: readonly Buffer[];
  readonly gets: readonly string[];
}

/** A server that sends everything back. */
const echo = () =>
  listenSockets({ hostname: "127.0.0.1", pingIntervalMs: 0 }, {
    message(client, bytes, isText) {
      client.send(prepareMessage(bytes, { isText }));
    },
  });

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const part = (opcode: number, payload: string | Uint8Array) =>
  frame(opcode, payload, { fin: false });
const bye = frame(CLOSE, closing(1000));
const CLOSED = "close 1000";

/** What comes back of a message. */
const echoOf = (opcode: number, payload: string | Uint8Array) =>
  describe({ fin: true, rsv: 0, opcode, payload: Buffer.from(payload as string) });

const pass = (name: string, sends: Buffer[], gets: string[]): Case => ({
  name,
  sends: [...sends, bye],
  gets: [...gets, CLOSED],
});
const fail = (name: string, sends: Buffer[], code: number, before: string[] = []): Case => ({
  name,
  sends,
  gets: [...before, `close ${code}`],
});
const end = (name: string, sends: Buffer[], gets: string[]): Case => ({ name, sends, gets });

const SIZES = [0, 125, 126, 127, 128, 65_535, 65_536];
const framing = SIZES.flatMap((size, i) => [
  pass(`1.1.${i + 1}`, [frame(TEXT, "*".repeat(size))], [echoOf(TEXT, "*".repeat(size))]),
  pass(`1.2.${i + 1}`, [frame(BINARY, Buffer.alloc(size, 0xFE))], [
    echoOf(BINARY, Buffer.alloc(size, 0xFE)),
  ]),
]);

const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
const pings = [
  pass("2.1", [frame(PING)], ["pong"]),
  pass("2.2", [frame(PING, "Hello, world!")], ["pong Hello, world!"]),
  pass("2.3", [frame(PING, Buffer.from("00fffefdfcfb00ff", "hex"))], [
    echoOf(PONG, Buffer.from("00fffefdfcfb00ff", "hex")),
  ]),
  pass("2.4", [frame(PING, Buffer.alloc(125, 0xFE))], [echoOf(PONG, Buffer.alloc(125, 0xFE))]),
  fail("2.5", [frame(PING, Buffer.alloc(126, 0xFE))], 1002),
  pass("2.7", [frame(PONG)], []),
  pass("2.8", [frame(PONG, "unsolicited")], []),
  pass("2.9", [frame(PONG, "unsolicited"), frame(PING, "asked")], ["pong asked"]),
  pass("2.10", ten.map((text) => frame(PING, text)), ten.map((text) => `pong ${text}`)),
];

const hello = frame(TEXT, "hello");
const HELLO = "text hello";
const asked = frame(PING);
const odd = (opcode: number, rsv: number, payload = "x") => frame(opcode, payload, { rsv });
const reserved = [
  fail("3.1", [odd(TEXT, 1)], 1002),
  fail("3.2", [hello, odd(TEXT, 2), asked], 1002, [HELLO]),
  fail("3.4", [hello, odd(TEXT, 4), asked], 1002, [HELLO]),
  fail("3.5", [odd(BINARY, 5)], 1002),
  fail("3.6", [odd(PING, 6)], 1002),
  fail("3.7", [odd(CLOSE, 7, "\x03\xE8")], 1002),
];

const opcodes = [[3, 4, 5, 6, 7], [11, 12, 13, 14, 15]].flatMap(([a, b, c, d, e], i) => [
  fail(`4.${i + 1}.1`, [frame(a)], 1002),
  fail(`4.${i + 1}.2`, [frame(b, "reserved opcode payload")], 1002),
  fail(`4.${i + 1}.3`, [hello, frame(c), asked], 1002, [HELLO]),
  fail(`4.${i + 1}.4`, [hello, frame(d, "payload"), asked], 1002, [HELLO]),
  fail(`4.${i + 1}.5`, [hello, frame(e, "payload"), asked], 1002, [HELLO]),
]);

const first = part(TEXT, "fragment1");
const last = frame(0, "fragment2");
const BOTH = "text fragment1fragment2";
const five = [
  ...[part(TEXT, "fragment1"), part(0, "fragment2"), frame(PING, "ping 1")],
  ...[part(0, "fragment3"), part(0, "fragment4"), frame(PING, "ping 2"), frame(0, "fragment5")],
];
const fragments = [
  fail("5.1", [part(PING, "a"), frame(0, "b")], 1002),
  fail("5.2", [part(PONG, "a"), frame(0, "b")], 1002),
  pass("5.3", [first, last], [BOTH]),
  pass("5.6", [first, frame(PING, "between"), last], ["pong between", BOTH]),
  fail("5.9", [frame(0, "nothing to continue"), hello], 1002),
  fail("5.12", [part(0, "nothing to continue"), hello], 1002),
  fail("5.15", [first, last, part(0, "nothing to continue"), hello], 1002, [BOTH]),
  fail("5.16", [part(0, "a"), part(TEXT, "b"), frame(0, "c")], 1002),
  fail("5.17", [frame(0, "a"), part(TEXT, "b"), frame(0, "c")], 1002),
  fail("5.18", [first, frame(TEXT, "fragment2")], 1002),
  pass("5.19", five, [
    ...["pong ping 1", "pong ping 2"],
    echoOf(TEXT, "fragment1fragment2fragment3fragment4fragment5"),
  ]),
];

const octets = (opcode: number, bytes: Uint8Array) =>
  Array.from(
    bytes,
    (byte, i) => frame(i === 0 ? opcode : 0, Uint8Array.of(byte), { fin: i === bytes.length - 1 }),
  );
const GREEK = Buffer.from("Hello-µ@ßöäüàá-UTF-8!!");
const WRONG = Buffer.from("cebae1bdb9cf83cebcceb5eda080656469746564", "hex");
const utf8 = [
  pass("6.1.1", [frame(TEXT)], ["text"]),
  pass("6.1.2", [part(TEXT, ""), part(0, ""), frame(0)], ["text"]),
  pass("6.1.3", [part(TEXT, ""), part(0, "middle frame payload"), frame(0)], [
    "text middle frame payload",
  ]),
  pass("6.2.1", [frame(TEXT, GREEK)], [echoOf(TEXT, GREEK)]),
  pass("6.2.2", [part(TEXT, GREEK.subarray(0, 12)), frame(0, GREEK.subarray(12))], [
    echoOf(TEXT, GREEK),
  ]),
  pass("6.2.3", octets(TEXT, GREEK), [echoOf(TEXT, GREEK)]),
  pass("6.2.4", octets(TEXT, Buffer.from("κόσμε")), ["text κόσμε"]),
  fail("6.3.1", [frame(TEXT, WRONG)], 1007),
  fail("6.3.2", octets(TEXT, WRONG), 1007),
  fail("6.4.1", [
    part(TEXT, "κόσμε"),
    part(0, Buffer.from("f4908080", "hex")),
    frame(0, "edited"),
  ], 1007),
  ...UTF8_CASES.flatMap(([name, bytes, isValid]) => [
    isValid ? pass(name, [frame(TEXT, bytes)], [echoOf(TEXT, bytes)]) : fail(name, [
      frame(TEXT, bytes),
    ], 1007),
    // Bytes that are no text may still be sent as bytes.
    pass(`${name} binary`, [frame(BINARY, bytes)], [echoOf(BINARY, bytes)]),
  ]),
];

const VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
  .concat(3000, 3999, 4000, 4999);
const INVALID = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
const LARGE = "*".repeat(256 * 1024);
const closes = [
  pass("7.1.1", [hello], [HELLO]),
  end("7.1.2", [bye, bye], [CLOSED]),
  end("7.1.3", [bye, asked], [CLOSED]),
  end("7.1.4", [bye, hello], [CLOSED]),
  end("7.1.5", [first, bye, last], [CLOSED]),
  pass("7.1.6", [frame(TEXT, LARGE)], [echoOf(TEXT, LARGE)]),
  end("7.3.1", [frame(CLOSE)], ["close"]),
  fail("7.3.2", [frame(CLOSE, "a")], 1002),
  end("7.3.3", [frame(CLOSE, closing(1000))], [CLOSED]),
  end("7.3.4", [frame(CLOSE, closing(1000, "Hello World!"))], [CLOSED]),
  end("7.3.5", [frame(CLOSE, closing(1000, "*".repeat(123)))], [CLOSED]),
  fail("7.3.6", [frame(CLOSE, closing(1000, "*".repeat(124)))], 1002),
  fail("7.5.1", [frame(CLOSE, closing(1000, WRONG))], 1007),
  ...VALID.map((code, i) => end(`7.7.${i + 1}`, [frame(CLOSE, closing(code))], [`close ${code}`])),
  ...INVALID.map((code, i) => fail(`7.9.${i + 1}`, [frame(CLOSE, closing(code))], 1002)),
];

/** A message in fragments of one size. */
function cut(opcode: number, bytes: Uint8Array, size: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const isLast = at + size >= bytes.length;
    const piece = bytes.subarray(at, at + size);
    frames.push(frame(at === 0 ? opcode : 0, piece, { fin: isLast }));
  }
  return frames;
}

const sized = (size: number) => Buffer.from("BAsd7&jh23".repeat(size / 10 + 1).slice(0, size));
const sizes = [
  ...[64, 256, 1024].flatMap((kilobytes, i) =>
    [TEXT, BINARY].map((opcode) => {
      const bytes = sized(kilobytes * 1024);
      return pass(`9.${opcode}.${i + 1}`, [frame(opcode, bytes)], [echoOf(opcode, bytes)]);
    })
  ),
  ...[64, 1024, 16_384, 262_144].flatMap((size, i) =>
    [TEXT, BINARY].map((opcode) => {
      const bytes = sized(262_144);
      const name = `9.${opcode + 2}.${i + 1}`;
      return pass(name, cut(opcode, bytes, size), [echoOf(opcode, bytes)]);
    })
  ),
  ...[0, 16, 64, 256, 1024].flatMap((size, i) =>
    [TEXT, BINARY].map((opcode) => {
      const bytes = sized(size);
      const messages = Array.from({ length: 200 }, () => frame(opcode, bytes));
      return pass(`9.${opcode + 6}.${i + 1}`, messages, messages.map(() => echoOf(opcode, bytes)));
    })
  ),
];

/** How the bytes of a case come: all at once, frame by frame, or in small pieces. */
const MODES = {
  "at once": (sends: readonly Buffer[]) => [Buffer.concat(sends)],
  "frame by frame": (sends: readonly Buffer[]) => sends,
  "piece by piece": (sends: readonly Buffer[]) => {
    const all = Buffer.concat(sends);
    const size = all.length < 200 ? 1 : Math.ceil(all.length / 100);
    return Array.from(
      { length: Math.ceil(all.length / size) },
      (_, i) => all.subarray(i * size, (i + 1) * size),
    );
  },
} as const;

/** Plays a case, and returns what the client got. */
async function play(server: SocketServer, writes: readonly Buffer[]): Promise<string[]> {
  await using client = await RawClient.open(server);
  for (const bytes of writes) {
    client.write(bytes);
    if (writes.length > 1) await turn();
  }
  return await client.transcript();
}

const SECTIONS: Record<string, readonly Case[]> = {
  "1 framing": framing,
  "2 pings and pongs": pings,
  "3 reserved bits": reserved,
  "4 opcodes": opcodes,
  "5 fragmentation": fragments,
  "6 UTF-8": utf8,
  "7 close handling": closes,
  "9 sizes": sizes,
};

for (const [section, cases] of Object.entries(SECTIONS)) {
  test(`Autobahn, section ${section}`, async () => {
    await using server = await echo();
    for (const [mode, cutUp] of Object.entries(MODES)) {
      // UTF-8 is the same however it is cut; one mode of so many cases is enough.
      if (section.startsWith("6") && mode !== "at once") continue;
      const seen = await Promise.all(
        cases.map(async ({ name, sends }) => [name, mode, await play(server, cutUp(sends))]),
      );
      assert.deepEqual(seen, cases.map(({ name, gets }) => [name, mode, gets]));
    }
  });
}

test("A frame that is not masked fails the connection", async () => {
  await using server = await echo();
  assert.deepEqual(await play(server, [frame(TEXT, "hello", { masked: false })]), ["close 1002"]);
});

test("The size of a frame is judged by its header, before the payload comes", async () => {
  await using server = await listenSockets({
    hostname: "127.0.0.1",
    maximumFrameSize: 1000,
    maximumMessageSize: 100_000,
  }, { message: (client, bytes) => void client.send(bytes) });
  const claims = [1001, 65_535, 65_536, 2 ** 31, 2 ** 32, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
  for (const claimed of claims) {
    const header = frame(BINARY, "", { claimed });
    assert.deepEqual(await play(server, [header]), ["close 1009"], String(claimed));
    // What came before is answered, also when the header is cut.
    const cutUp = [frame(BINARY, "ok"), header.subarray(0, 3), header.subarray(3)];
    assert.deepEqual(await play(server, cutUp), ["binary 6f6b", "close 1009"], String(claimed));
  }
  const largest = Buffer.alloc(1000);
  assert.deepEqual(await play(server, [frame(BINARY, largest), bye]), [
    echoOf(BINARY, largest),
    CLOSED,
  ]);
  assert.equal(server.stats.faults[1009], 2 * claims.length);
});

test("The size of a message is judged over all its fragments", async () => {
  await using server = await listenSockets({
    hostname: "127.0.0.1",
    maximumFrameSize: 1000,
    maximumMessageSize: 2500,
  }, { message: (client, bytes) => void client.send(bytes) });
  const piece = Buffer.alloc(1000);
  const fits = [part(BINARY, piece), part(0, piece), frame(0, piece.subarray(0, 500)), bye];
  assert.deepEqual(await play(server, fits), [echoOf(BINARY, Buffer.alloc(2500)), CLOSED]);
  const header = frame(0, "", { claimed: 501 });
  assert.deepEqual(await play(server, [part(BINARY, piece), part(0, piece), header]), [
    "close 1009",
  ]);
});

test("A message that never ends holds no more than its limit", async () => {
  await using server = await listenSockets({
    hostname: "127.0.0.1",
    maximumMessageSize: 1000,
  }, {});
  // Empty fragments.
  await using empty = await RawClient.open(server);
  const many = Buffer.concat(Array.from({ length: 1000 }, () => part(0, "")));
  empty.write(part(BINARY, "a"));
  for (let i = 0; i < 20; i++) empty.write(many);
  assert.deepEqual(await empty.transcript(), ["close 1008"]);
  // One byte, then pings that keep its chunk alive.
  await using pinging = await RawClient.open(server);
  const flood = Buffer.concat(
    Array.from({ length: 1000 }, () => frame(PONG, Buffer.alloc(125))),
  );
  pinging.write(part(BINARY, "a"));
  for (let i = 0; i < 20; i++) pinging.write(flood);
  assert.deepEqual(await pinging.transcript(), ["close 1008"]);
  assert.deepEqual(server.stats.faults, { 1008: 2 });
});

test("Ten thousand random frames end nobody else's connection", async () => {
  await using server = await echo();
  await using friend = await RawClient.open(server);
  let seed = 16;
  const random = (below: number) => {
    seed = Math.imul(seed ^ seed >>> 15, 0x2C1B3C6D) + 0x9E3779B9 >>> 0;
    return (seed >>> 8) % below;
  };
  let frames = 0;
  while (frames < 10_000) {
    await using client = await RawClient.open(server);
    const writes = Array.from({ length: 50 }, () => {
      const payload = Buffer.from(Array.from({ length: random(40) }, () => random(256)));
      const bytes = frame(random(16), payload, {
        fin: random(4) > 0,
        rsv: random(20) === 0 ? random(8) : 0,
        masked: random(40) > 0,
        claimed: random(20) === 0 ? random(200_000) : payload.length,
      });
      // Sometimes a byte is another.
      if (random(10) === 0) bytes[random(bytes.length)] = random(256);
      return bytes;
    });
    frames += writes.length;
    client.write(Buffer.concat(writes));
    client.socket.end();
    await client.ended();
  }
  friend.write(hello);
  assert.equal(describe((await friend.next())!), HELLO);
});
