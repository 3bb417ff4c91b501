/** What a bridge does where the program or a client is slow, and what a million messages cost. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ByteSink } from "../../../lib/gateway/pipe/byte_sink.ts";
import type { ByteSource } from "../../../lib/gateway/pipe/byte_source.ts";
import { NamedPipe } from "../../../lib/gateway/pipe/named_pipe.ts";
import { type BridgeOptions, PipeBridge } from "../../../lib/gateway/pipe/bridge.ts";
import type {
  PreparedMessage,
  SlowPolicy,
  SocketClient,
  SocketServer,
} from "../../../lib/gateway/socket/contract.ts";
import { encodeFrame, FrameType } from "../../../lib/gateway/pipe/strict_codec.ts";
import { spawnProgram, until, withDeadline } from "../../_helpers.ts";
import { PipeEnd, skip, temporaryFolder } from "./_pipes.ts";

const OPTIONS: BridgeOptions = {
  strict: true,
  frame: "read",
  echo: false,
  maximumFrameSize: 1 << 20,
  slow: "wait",
  queueLimitBytes: 1000,
  report: (text) => assert.fail(text),
};

/** A client that keeps what it is sent, and is as slow as a test wants. */
class StandInClient {
  readonly id: number;
  readonly address = "127.0.0.1";
  queuedBytes = 0;
  isPaused = false;
  sent = 0;

  constructor(id: number) {
    this.id = id;
  }

  send(message: PreparedMessage): boolean {
    this.sent++;
    this.queuedBytes += message.byteLength;
    return this.queuedBytes < OPTIONS.queueLimitBytes;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }
}

/** A server of such clients. */
function serverOf(...clients: StandInClient[]): SocketServer {
  const byId = new Map(clients.map((client) => [client.id, client]));
  const broadcast = (message: PreparedMessage) =>
    clients.map((client) => client.send(message)).every(Boolean);
  return { clients: byId, broadcast } as unknown as SocketServer;
}

const asClient = (client: StandInClient) => client as unknown as SocketClient;

/** A program that writes what a generator yields, and counts how much of it has been taken. */
class StandInProgram implements ByteSource {
  readonly #parts: Iterator<Uint8Array>;
  taken = 0;

  constructor(parts: Iterable<Uint8Array>) {
    this.#parts = parts[Symbol.iterator]();
  }

  async read(): Promise<Uint8Array | undefined> {
    await setImmediate();
    const { done, value } = this.#parts.next();
    if (done) return undefined;
    this.taken++;
    return value;
  }

  [Symbol.dispose](): void {}
}

/** Lets everything run that has no reason to wait. */
async function settled(program: StandInProgram): Promise<number> {
  let before;
  do {
    before = program.taken;
    for (let i = 0; i < 20; i++) await setImmediate();
  } while (before !== program.taken);
  return before;
}

for (const slow of ["wait", "drop", "close"] as const satisfies SlowPolicy[]) {
  test(`slow: "${slow}" ${slow === "wait" ? "reads no more" : "goes on"} while a client is slow`, async () => {
    const client = new StandInClient(1);
    const other = new StandInClient(2);
    const server = serverOf(client, other);
    const bridge = new PipeBridge({ ...OPTIONS, slow });
    const parts = Array.from(
      { length: 30 },
      () => encodeFrame(0, FrameType.BINARY, new Uint8Array(100)),
    );
    const program = new StandInProgram(parts);
    const running = bridge.run(server, program);
    if (slow === "wait") {
      assert.equal(await settled(program), 10);
      // One has room again, the other has not.
      other.queuedBytes = 0;
      bridge.handlers.drain!(asClient(other));
      assert.equal(await settled(program), 10);
      client.queuedBytes = 500;
      bridge.handlers.drain!(asClient(client));
      assert.equal(await settled(program), 15);
      // The end of a slow client is room, too.
      other.queuedBytes = 0;
      (server.clients as Map<number, SocketClient>).delete(1);
      bridge.handlers.close!(asClient(client), 1006, "");
      for (let i = 0; i < 4; i++) {
        await settled(program);
        client.queuedBytes = other.queuedBytes = 0;
        bridge.handlers.drain!(asClient(other));
      }
    }
    await withDeadline(running, 10_000, "the end");
    assert.equal(bridge.stats.messages, 30);
    assert.equal(other.sent, 30);
  });
}

test("One read with many messages stops in the middle while a client is slow", async () => {
  const client = new StandInClient(1);
  const frames = Array.from(
    { length: 600 },
    () => encodeFrame(1, FrameType.BINARY, new Uint8Array(88)),
  );
  const bridge = new PipeBridge(OPTIONS);
  const running = bridge.run(serverOf(client), new StandInProgram([Buffer.concat(frames)]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(client.sent < 100, `${client.sent} were sent to a client with room for 12`);
  const empty = setInterval(() => {
    client.queuedBytes = 0;
    bridge.handlers.drain!(asClient(client));
  });
  await withDeadline(running, 10_000, "the end").finally(() => clearInterval(empty));
  assert.equal(client.sent, 600);
});

test(
  'slow: "wait" pauses clients while the program does not read, and loses nothing',
  { skip },
  async () => {
    using folder = temporaryFolder();
    using pipe = new NamedPipe(`${folder.path}/out`);
    const client = new StandInClient(1);
    const bridge = new PipeBridge(OPTIONS);
    const sink = ByteSink.toPipe(pipe, bridge.sinkOptions((error) => assert.fail(error)));
    bridge.sendTo(sink);
    const program = new StandInProgram([]);
    await bridge.run(serverOf(client), program);
    bridge.handlers.open!(asClient(client));
    for (let i = 0; i < 20; i++) {
      bridge.handlers.message!(asClient(client), new Uint8Array(88).fill(i), false);
      assert.equal(client.isPaused, 58 + (i + 1) * 100 >= 1000);
    }
    using reader = PipeEnd.reader(pipe.path);
    await reader.read(58);
    for (let i = 0; i < 20; i++) assert.equal((await reader.read(100))[12], i);
    await until(() => !client.isPaused, 30_000, "the client resumed");
    assert.deepEqual(sink.stats, { written: 21, dropped: 0 });
    await sink.close(0);
  },
);

/** How far memory has grown while something ran, once the garbage of half of it is there. */
async function growthOf(half: () => Promise<void>): Promise<number> {
  await half();
  const before = process.memoryUsage().rss;
  await half();
  return process.memoryUsage().rss - before;
}

test("A million messages of the program to clients: memory stays", async () => {
  const client = new StandInClient(1);
  const batch = Buffer.concat(
    Array.from({ length: 800 }, (_, i) => encodeFrame(i & 1, 1, Buffer.alloc(64, 120))),
  );
  const half = async () => {
    const parts = Array.from({ length: 625 }, () => batch);
    await new PipeBridge({ ...OPTIONS, slow: "drop" }).run(
      serverOf(client),
      new StandInProgram(parts),
    );
  };
  const growth = await growthOf(half);
  assert.equal(client.sent, 1_000_000);
  assert.ok(growth < 64 << 20, `${growth} bytes`);
});

test("Many messages of clients to the program: memory stays", { skip }, async () => {
  using folder = temporaryFolder();
  using pipe = new NamedPipe(`${folder.path}/out`);
  const client = new StandInClient(1);
  const bridge = new PipeBridge({ ...OPTIONS, slow: "drop", queueLimitBytes: 1 << 20 });
  const sink = ByteSink.toPipe(pipe, bridge.sinkOptions((error) => assert.fail(error)));
  bridge.sendTo(sink);
  await using cat = spawnProgram("sh", ["-c", `cat ${pipe.path} | wc -c`]);
  const count = 100_000;
  const growth = await growthOf(async () => {
    for (let i = 0; i < count; i++) {
      bridge.handlers.message!(asClient(client), Buffer.alloc(64, 120), true);
      if (i % 500 === 0) await setImmediate();
    }
  });
  await sink.close(10_000);
  const { stdout } = await withDeadline(cat.ended, 10_000, "cat");
  const { written, dropped } = sink.stats;
  assert.equal(written + dropped, 2 * count);
  assert.equal(Number(stdout), written * 76);
  assert.ok(growth < 64 << 20, `${growth} bytes`);
});
