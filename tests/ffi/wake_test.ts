import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { listenForWake } from "../../ffi/_loopback.ts";
import { currentRuntime, spawnRuntime, until, withDeadline } from "../_helpers.ts";

/** A connection to a port of this machine, of whose end `ended` tells. */
function connectTo(port: number): { socket: Socket; ended: Promise<void> } {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  const ended = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  return { socket, ended };
}

test("A wake-up is a byte on the connection that begins with the secret; strangers are closed", async () => {
  let woken = 0;
  let place = 0;
  let ours: Socket | undefined;
  const strangers: Promise<void>[] = [];
  const wake = await withDeadline(
    listenForWake((port, secret) => {
      place = port;
      assert.equal(secret.length, 16);
      const wrong = connectTo(port);
      wrong.socket.write(new Uint8Array(40));
      const silent = connectTo(port);
      const short = connectTo(port);
      short.socket.write(secret.subarray(0, 15));
      strangers.push(wrong.ended, silent.ended, short.ended);
      // Cut in two, the second part with a wake-up behind it.
      ours = connectTo(port).socket.setNoDelay(true);
      ours.write(secret.subarray(0, 5), () => {
        setTimeout(() => ours!.write(new Uint8Array([...secret.subarray(5), 1])), 20);
      });
      return 0;
    }, () => woken++),
    20_000,
    "the wake-up",
  );
  await until(() => woken > 0, 20_000, "the byte behind the secret");
  await withDeadline(Promise.all(strangers), 20_000, "the end of strangers");
  const before = woken;
  ours!.write(new Uint8Array(1));
  await until(() => woken > before, 20_000, "another byte");
  const late = connectTo(place);
  await withDeadline(late.ended, 20_000, "a connection that is refused");
  const ended = once(ours!, "close");
  wake.close();
  await withDeadline(ended, 20_000, "the end of ours");
});

test("Nothing listens any more when the start has failed", async () => {
  let place = 0;
  const listening = listenForWake((port) => {
    place = port;
    throw new RangeError("no thread");
  }, () => {});
  await assert.rejects(listening, { name: "RangeError", message: "no thread" });
  await withDeadline(connectTo(place).ended, 20_000, "a connection that is refused");
});

test("ENETJS_WAKE can be portable, and what else it is the error says", async () => {
  const load = async (ENETJS_WAKE: string) => {
    await using program = spawnRuntime(currentRuntime(), "load.ts", [], { env: { ENETJS_WAKE } });
    const { stdout, stderr } = await withDeadline(program.ended, 60_000, "load.ts");
    assert.equal(stderr, "");
    return JSON.parse(stdout);
  };
  assert.equal((await load("portable")).code, undefined);
  const { code, message } = await load("pipe");
  assert.equal(code, "ENETJS_ERR_LIBRARY");
  assert.equal(message, 'ENETJS_WAKE=pipe: it can only be "portable", or unset');
});
