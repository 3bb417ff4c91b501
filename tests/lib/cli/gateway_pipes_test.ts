/** The gateway over named pipes, as gwsocket's users run it. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { mkfifo } from "../../../ffi/posix.ts";
import { until, withDeadline } from "../../_helpers.ts";
import { PipeEnd, skip, temporaryFolder } from "../gateway/_pipes.ts";
import { Client, Enet, frame, STEP_MS } from "./_gateway.ts";

/** A folder, and the options that name two pipes in it. */
function pipes() {
  const folder = temporaryFolder();
  const [pathIn, pathOut] = [`${folder.path}/in.fifo`, `${folder.path}/out.fifo`];
  const args = ["--pipein", pathIn, "--pipeout", pathOut];
  return { in: pathIn, out: pathOut, args, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  test(
    `Plain mode: writers and readers come and go; ${signal} closes clients and removes the pipes`,
    {
      skip,
    },
    async () => {
      using paths = pipes();
      await using enet = await Enet.gateway(...paths.args);
      assert.ok(statSync(paths.in).isFIFO() && statSync(paths.out).isFIFO());
      using client = await Client.open(await enet.url());
      for (const text of ["one", "two"]) {
        using writer = PipeEnd.writer(paths.in);
        writer.write(text);
        assert.equal(await client.next(), text);
      }
      client.send("early ");
      for (const text of ["early ", "late"]) {
        using reader = PipeEnd.reader(paths.out);
        if (text === "late") client.send("late");
        assert.equal(await reader.text(text.length), text);
        reader[Symbol.dispose]();
        // Until the gateway has noticed the end, what is written next is lost with this reader.
        await noReader(paths.out);
      }
      enet.signal(signal);
      assert.equal(await withDeadline(client.closed, STEP_MS, "the close"), 1001);
      await enet.ends(0);
      assert.ok(!existsSync(paths.in) && !existsSync(paths.out));
      assert.equal(enet.stdout, "");
      assert.equal(enet.stderr, `listening on ${await enet.url()}\n`);
    },
  );
}

/** Waits until nobody has a pipe open to write it. */
async function noReader(path: string): Promise<void> {
  const isClosed = () => {
    using reader = PipeEnd.reader(path);
    return reader.isEnded;
  };
  await until(isClosed, STEP_MS, "the gateway's end of the pipe closed");
}

test("Strict mode: after an unknown type all is discarded until the writers have closed", {
  skip,
}, async () => {
  using paths = pipes();
  mkfifo(paths.in, 0o600);
  await using enet = await Enet.gateway("--strict", ...paths.args);
  using client = await Client.open(await enet.url());
  {
    using one = PipeEnd.writer(paths.in);
    using two = PipeEnd.writer(paths.in);
    one.write(frame(0, 1, "good"));
    assert.equal(await client.next(), "good");
    one.write(frame(0, 9, "bad"));
    await enet.told("enet gateway: The program wrote a frame of type 9;");
    two.write(frame(0, 1, "discarded"));
    one[Symbol.dispose]();
    two.write(frame(0, 1, "discarded, too"));
  }
  // Only the gateway knows when it has noticed the end of all writers. What comes before is discarded, too.
  const again = () => {
    using writer = PipeEnd.writer(paths.in);
    writer.write(frame(0, 1, "again"));
  };
  await until(
    () => {
      if (client.waiting === 0) again();
      return client.waiting > 0;
    },
    STEP_MS,
    "a message",
  );
  assert.equal(await client.next(), "again");
  enet.signal("SIGTERM");
  await enet.ends(0);
  assert.ok(statSync(paths.in).isFIFO(), "it was there before");
  assert.ok(!existsSync(paths.out));
});

test("One of the pipes may be standard input or output", { skip }, async () => {
  using paths = pipes();
  await using enet = await Enet.gateway("--stdin", ...paths.args);
  using client = await Client.open(await enet.url());
  assert.ok(!existsSync(paths.in));
  enet.write("from stdin");
  assert.equal(await client.next(), "from stdin");
  using reader = PipeEnd.reader(paths.out);
  client.send("to the pipe");
  assert.equal(await reader.text(11), "to the pipe");
  enet.endInput();
  await enet.ends(0);

  await using other = await Enet.gateway("--stdout", ...paths.args);
  using another = await Client.open(await other.url());
  assert.ok(!existsSync(paths.out));
  another.send("to stdout");
  assert.equal(String(await other.read(9)), "to stdout");
  other.endInput(); // which is not read
  using writer = PipeEnd.writer(paths.in);
  writer.write("from the pipe");
  assert.equal(await another.next(), "from the pipe");
});

test(
  "A path that is no pipe is refused with 1, and what was made before is removed",
  { skip },
  async () => {
    using paths = pipes();
    writeFileSync(paths.out, "precious");
    await using enet = new Enet(["gateway", "--port", "0", ...paths.args]);
    await enet.ends(1);
    assert.match(
      enet.stderr,
      /^enet gateway: ".*out\.fifo" exists and is no named pipe: remove it/,
    );
    assert.equal(readFileSync(paths.out, "utf8"), "precious");
    assert.ok(!existsSync(paths.in));
  },
);

test("A second signal ends it at once, with 1, and removes the pipes", { skip }, async () => {
  using paths = pipes();
  await using enet = await Enet.gateway(...paths.args);
  // A client that does not answer the close frame would hold up the end.
  const { port } = new URL(await enet.url());
  const socket = connect({ host: "127.0.0.1", port: Number(port) });
  try {
    socket.write(
      "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    await withDeadline(once(socket, "data"), STEP_MS, "the handshake");
    enet.signal("SIGTERM");
    await withDeadline(once(socket, "data"), STEP_MS, "the close frame");
    enet.signal("SIGINT");
    await enet.ends(1);
    assert.ok(!existsSync(paths.in) && !existsSync(paths.out));
  } finally {
    socket.destroy();
  }
});
