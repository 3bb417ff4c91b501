import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type Peer } from "../../mod.ts";
import {
  currentRuntime,
  leakCheck,
  type Program,
  spawnRuntime,
  withDeadline,
} from "../_helpers.ts";
import type { Report } from "../programs/party.ts";

const runtime = currentRuntime();
const STALL_MS = 4000;
/** How long both are blocked at once: their reports of each stall differ. */
const TOGETHER_MS = 3000;
const COUNT = 2000;
/** Far below the stall, so that a side that fell silent would be given up. */
const TIMEOUTS = JSON.stringify({ limit: 4, minimumMs: 500, maximumMs: 1500 });

let reports = 0;

/** Asks until everything that the other side has sent is there. */
async function settled(party: Program, expected: number): Promise<Report> {
  for (let i = 0; i < 200; i++) {
    party.write(`report ${++reports}`);
    const report: Report = JSON.parse(await party.line(`report ${reports} `));
    if (report.next === expected || report.state !== "connected") return report;
  }
  throw new Error(`${expected} messages have not arrived`);
}

test("A side whose JavaScript is blocked for 4 s neither loses messages nor the connection", async () => {
  await using server = spawnRuntime(runtime, "party.ts", ["0", TIMEOUTS]);
  const port = await server.line("port ");
  await using client = spawnRuntime(runtime, "party.ts", [port, TIMEOUTS]);
  await client.line("connected");
  await server.line("connected");

  for (const [busy, other] of [[server, client], [client, server]]) {
    busy.write(`block ${STALL_MS}`);
    await busy.line("blocking");
    other.write(`send 0 ${COUNT}`);
    await other.line(`sent 0 ${COUNT}`);
    await busy.line("blocked");
    const report = await settled(busy, COUNT);
    assert.equal(report.next, COUNT);
    assert.equal(report.state, "connected");
    assert.ok(report.pumpServices > 0, `${report.pumpServices} services by the pump`);
  }

  // Both at once: their pumps talk to each other.
  for (const party of [server, client]) party.write(`block ${TOGETHER_MS}`);
  for (const party of [server, client]) await party.line(`blocked ${TOGETHER_MS}`);
  for (const party of [server, client]) party.write(`send ${COUNT} ${COUNT}`);
  for (const party of [server, client]) await party.line(`sent ${COUNT} ${COUNT}`);
  for (const party of [server, client]) {
    const report = await settled(party, 2 * COUNT);
    assert.equal(report.next, 2 * COUNT);
    assert.equal(report.state, "connected");
  }

  client.write("end");
  const ends = [await withDeadline(client.ended, 60_000, "the client's end")];
  server.write("end");
  ends.push(await withDeadline(server.ended, 60_000, "the server's end"));
  for (const { code, stdout, stderr } of ends) {
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout, /disorder|disconnected timeout/);
  }
});

for (const traffic of ["silent", "sent to"] as const) {
  test(`A peer that is killed while ${traffic} disconnects by timeout within its limits`, async (t) => {
    await leakCheck(t);
    const connected = Promise.withResolvers<Peer>();
    const ended = Promise.withResolvers<[Peer, string, number]>();
    await using host = await Host.listen({ hostname: "127.0.0.1" }, {
      connect: connected.resolve,
      disconnect: (...event) => ended.resolve(event),
    });
    const { port } = host.address;
    await using program = spawnRuntime(runtime, "party.ts", [`${port}`, "{}"]);
    const peer = await withDeadline(connected.promise, 60_000, "the connect event");
    peer.timeout({ limit: 2, minimumMs: 200, maximumMs: 1000 });
    peer.pingInterval(100);
    program.process.kill("SIGKILL");
    const { signal } = await withDeadline(program.ended, 60_000, "the kill");
    assert.equal(signal, "SIGKILL");
    const delivery = traffic === "silent" ? undefined : assert.rejects(
      peer.deliver(0, "into the void"),
      { code: "ENETJS_ERR_UNDELIVERED", message: /timeout/ },
    );
    const [gone, reason, data] = await withDeadline(ended.promise, 60_000, "the timeout");
    assert.equal(gone, peer);
    assert.equal(reason, "timeout");
    assert.equal(data, 0);
    assert.equal(peer.state, "disconnected");
    await delivery;
  });
}
