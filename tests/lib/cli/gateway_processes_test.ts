/** Strict mode over named pipes, with programs that are processes of their own: two that write, one that is killed. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { currentRuntime, spawnRuntime, until, withDeadline } from "../../_helpers.ts";
import { PipeEnd, skip, temporaryFolder } from "../gateway/_pipes.ts";
import { Client, Enet, STEP_MS } from "./_gateway.ts";

/** Bytes of an open frame, and of a header. */
const OPEN_BYTES = 58;
const HEADER_BYTES = 12;

/** Larger than a pipe, so that it is written in parts. */
const LARGE = 500_000;

test(
  "A reader that is killed inside a message: the next one gets it from its beginning",
  { skip },
  async () => {
    using folder = temporaryFolder();
    const [pathIn, pathOut] = [`${folder.path}/in`, `${folder.path}/out`];
    await using enet = await Enet.gateway(
      ...["--strict", "--pipein", pathIn, "--pipeout", pathOut, "--queue-limit", "8000000"],
    );
    using client = await Client.open(await enet.url());
    for (let i = 1; i <= 3; i++) client.send(new Uint8Array(LARGE).fill(i));
    const bytes = OPEN_BYTES + HEADER_BYTES + LARGE / 2;
    await using reader = spawnRuntime(currentRuntime(), "pipe_reader.ts", [pathOut, String(bytes)]);
    await reader.line("read");
    process.kill(reader.process.pid!, "SIGKILL");
    await withDeadline(reader.ended, STEP_MS, "the end of the reader");
    // The gateway has noticed once it has given up its own end.
    await until(
      () => {
        using probe = PipeEnd.reader(pathOut);
        return probe.isEnded;
      },
      STEP_MS,
      "the gateway's end of the pipe closed",
    );
    using next = PipeEnd.reader(pathOut);
    for (let i = 1; i <= 3; i++) {
      const header = new DataView((await next.read(HEADER_BYTES, STEP_MS)).buffer);
      const [id, type, length] = [0, 4, 8].map((offset) => header.getUint32(offset));
      assert.deepEqual([id, type, length], [1, 2, LARGE]);
      const payload = await next.read(LARGE, STEP_MS);
      assert.ok(payload.every((byte) => byte === i), `message ${i}`);
    }
    enet.signal("SIGTERM");
    await enet.ends(0);
  },
);

test(
  "Two writers on one pipe: every frame of both arrives whole, and each in its order",
  { skip },
  async () => {
    using folder = temporaryFolder();
    const [pathIn, pathOut] = [`${folder.path}/in`, `${folder.path}/out`];
    await using enet = await Enet.gateway(
      ...["--strict", "--pipein", pathIn, "--pipeout", pathOut, "--slow", "wait"],
    );
    using client = await Client.open(await enet.url());
    const count = 1000;
    const write = (byte: number) =>
      spawnRuntime(currentRuntime(), "pipe_writer.ts", [pathIn, String(count), String(byte)]);
    await using one = write(1);
    await using two = write(2);
    const numbers = new Map([[1, 0], [2, 0]]);
    for (let got = 0; got < 2 * count; got++) {
      const message = await client.next() as Uint8Array<ArrayBuffer>;
      const number = new DataView(message.buffer).getUint32(0);
      assert.equal(message.length, 4 + number * 7 % 4080);
      // The first frame has nothing that says whose it is.
      const writer = number === 0 ? undefined : message[4];
      assert.ok(message.subarray(4).every((byte) => byte === writer));
      if (writer === undefined) continue;
      assert.equal(number, numbers.get(writer)! + 1);
      numbers.set(writer, number);
    }
    for (const program of [one, two]) {
      assert.equal((await withDeadline(program.ended, STEP_MS, "the end of a writer")).code, 0);
    }
    enet.signal("SIGTERM");
    await enet.ends(0);
    assert.doesNotMatch(enet.stderr, /program wrote|reached no client/);
  },
);
