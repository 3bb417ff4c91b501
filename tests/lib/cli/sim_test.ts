/** `enet sim`: a relay with a simulated network before a server that knows nothing of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host } from "../../../mod.ts";
import { until } from "../../_helpers.ts";
import { interrupt, runHere, usageOf } from "./_run.ts";

const hostname = "127.0.0.1";

/** A running `enet sim --json`, which `end` interrupts. */
async function startSim(...options: string[]) {
  let output = "";
  const lines = () =>
    output.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  const running = runHere(["sim", "--json", ...options], { onOutput: (text) => output += text });
  const isListening = () => lines().some(({ type }) => type === "listening");
  await Promise.race([running, until(isListening, 30_000, "a relay that listens")]);
  const [{ address }] = lines();
  return {
    address: address as string,
    lines,
    async end() {
      interrupt();
      const { status } = await running;
      assert.equal(status, 0);
      return lines().at(-1);
    },
  };
}

async function echoServer() {
  return await Host.listen({ hostname }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
}

test("enet sim has clients reach the server over a bad network, each by a port of its own", async () => {
  await using server = await echoServer();
  const sim = await startSim(
    ...["--to", `${hostname}:${server.address.port}`, "--latency", "10ms", "--loss", "5%"],
    ...["--duplicate", "0.05", "--seed", "7", "--interval", "100ms"],
  );
  await using client = await Host.create();
  await using other = await Host.create();
  const peers = await Promise.all([client.connect(sim.address), other.connect(sim.address)]);
  for (const peer of peers) {
    for (let i = 0; i < 40; i++) peer.send(0, `message ${i}`);
    for (let i = 0; i < 40; i++) {
      assert.equal((await peer.receive({ timeoutMs: 20_000 })).packet.text(), `message ${i}`);
    }
  }
  assert.ok(peers.every(({ stats }) => stats.minimumRoundTripMs >= 20));
  assert.equal(server.peers.length, 2);
  const ports = new Set(server.peers.map(({ address }) => address.port));
  const told = sim.lines().filter(({ type }) => type === "client").map(({ port }) => port);
  assert.deepEqual(ports, new Set(told));
  await until(() => sim.lines().some(({ type }) => type === "counters"), 10_000, "counters");
  const summary = await sim.end();
  assert.equal(summary.type, "summary");
  assert.equal(summary.clients, 2);
  for (const { passed, lost, duplicated, bytes } of [summary.toServer, summary.toClients]) {
    assert.ok(passed >= 5 && bytes > 100, JSON.stringify(summary));
    assert.ok(lost + duplicated >= 0);
  }
});

test("enet sim passes any datagram as it is, and drops those of too many clients", async () => {
  const received: string[] = [];
  await using sink = await Host.listen({ hostname, datagrams: true }, {
    datagram: (address, packet) => {
      received.push(packet.text());
      sink.sendDatagram(address, `back ${packet.text()}`);
    },
  });
  const sim = await startSim("--to", `${hostname}:${sink.address.port}`, "--clients", "1");
  const answers: string[] = [];
  await using client = await Host.create({ datagrams: true }, {
    datagram: (_address, packet) => void answers.push(packet.text()),
  });
  await using late = await Host.create({ datagrams: true }, {});
  client.sendDatagram(sim.address, "no ENet");
  await until(() => answers.length === 1, 20_000, "an answer");
  assert.deepEqual([received, answers], [["no ENet"], ["back no ENet"]]);
  late.sendDatagram(sim.address, "one too many");
  client.sendDatagram(sim.address, "again");
  await until(() => answers.length === 2, 20_000, "another answer");
  const summary = await sim.end();
  assert.equal(summary.refused, 1);
  assert.deepEqual(received, ["no ENet", "again"]);
  assert.equal(summary.toServer.bytes, "no ENetagain".length);
});

test("enet sim loses everything where it is told to, in one direction", async () => {
  const received: string[] = [];
  await using sink = await Host.listen({ hostname, datagrams: true }, {
    datagram: (address, packet) => {
      received.push(packet.text());
      sink.sendDatagram(address, "back");
    },
  });
  const to = `${hostname}:${sink.address.port}`;
  const sim = await startSim(
    "--to",
    to,
    "--loss",
    "100%",
    "--direction",
    "down",
    "--interval",
    "100ms",
  );
  await using client = await Host.create({ datagrams: true }, {
    datagram: () => assert.fail("nothing comes back"),
  });
  client.sendDatagram(sim.address, "there");
  const isLost = () => sim.lines().some(({ toClients }) => toClients?.lost === 1);
  await until(isLost, 20_000, "a lost answer");
  const summary = await sim.end();
  assert.deepEqual(received, ["there"]);
  assert.deepEqual([summary.toClients.lost, summary.toServer.passed], [1, 1]);
});

test("enet sim forgets clients that are quiet", async () => {
  await using sink = await Host.listen({ hostname, datagrams: true }, {});
  const sim = await startSim("--to", `${hostname}:${sink.address.port}`, "--idle", "1");
  await using client = await Host.create({ datagrams: true }, {});
  client.sendDatagram(sim.address, "the only word");
  await until(
    () => sim.lines().some(({ type }) => type === "left"),
    30_000,
    "a client that has left",
  );
  const summary = await sim.end();
  assert.equal(summary.toServer.passed, 1);
});

test("enet sim says what is wrong on the command line", async () => {
  assert.match(await usageOf(["sim"]), /--to HOST:PORT/);
  assert.match(await usageOf(["sim", "--to", "x"]), /--to: address must have a port/);
  assert.match(
    await usageOf(["sim", "--to", "127.0.0.1:1", "--loss", "200%"]),
    /--loss must be a share/,
  );
  assert.match(
    await usageOf(["sim", "--to", "127.0.0.1:1", "--loss", "-"]),
    /--loss must be a share/,
  );
  assert.match(await usageOf(["sim", "--to", "127.0.0.1:1", "--preset", "bad"]), /mobile-bad/);
});
