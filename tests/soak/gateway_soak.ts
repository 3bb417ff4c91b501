/** A million messages each way through `enet gateway`, between a program and a client: none is lost, memory is flat. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { withDeadline } from "../_helpers.ts";
import { ENET, frame } from "../lib/cli/_gateway.ts";

const COUNT = 1_000_000;
const BATCH = 1000;
const SIZE = 64;
const HEADER_BYTES = 12;
const OPEN_BYTES = HEADER_BYTES + 46;
const DEADLINE = 600_000;

/** Resident memory of a process, in bytes. */
const memoryOf = ({ pid }: ChildProcess) =>
  1024 * Number(spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).stdout);

/** How far memory grows in the second half of some batches. */
async function growth(enet: ChildProcess, batch: () => Promise<void>): Promise<number> {
  let before = 0;
  for (let i = 0; i < COUNT / BATCH; i++) {
    if (i === COUNT / BATCH / 2) before = memoryOf(enet);
    await batch();
  }
  return memoryOf(enet) - before;
}

test("A million messages each way, and memory stays flat", {
  skip: process.platform === "win32",
}, async () => {
  const args = ["gateway", "--std", "--strict", "--slow", "wait", "--port", "0"];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const enet = spawn(ENET[0], [...ENET.slice(1), ...args, "--addr", "127.0.0.1"], { env });
  try {
    let told = "";
    const url = Promise.withResolvers<string>();
    enet.stderr.setEncoding("utf8").on("data", (text: string) => {
      const line = (told += text).match(/^listening on (.*)\n/m);
      if (line) url.resolve(line[1]);
    });
    let read = 0;
    enet.stdout.on("data", (bytes: Buffer) => read += bytes.length);
    const client = new WebSocket(await withDeadline(url.promise, DEADLINE, "the gateway"));
    let got = 0;
    client.onmessage = () => got++;
    await withDeadline(new Promise((resolve) => client.onopen = resolve), DEADLINE, "a client");

    const text = "x".repeat(SIZE);
    let expected = OPEN_BYTES;
    const toProgram = await growth(enet, async () => {
      for (let i = 0; i < BATCH; i++) client.send(text);
      expected += BATCH * (HEADER_BYTES + SIZE);
      while (read < expected) await turn();
    });
    const frames = Buffer.concat(Array.from({ length: BATCH }, () => frame(1, 1, text)));
    let sent = 0;
    const toClient = await growth(enet, async () => {
      enet.stdin.write(frames);
      sent += BATCH;
      while (got < sent) await turn();
    });
    console.log(`grew by ${toProgram} and ${toClient} bytes, to ${memoryOf(enet)}`);
    assert.equal(read, expected);
    assert.equal(got, COUNT);
    for (const grown of [toProgram, toClient]) assert.ok(grown < 32 << 20, `${grown} bytes`);
    enet.stdin.end();
    const [status] = await withDeadline(once(enet, "exit"), DEADLINE, "the end");
    assert.equal(status, 0, told);
  } finally {
    enet.kill("SIGKILL");
  }
});
