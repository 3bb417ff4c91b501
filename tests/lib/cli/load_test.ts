/** `enet load` and `enet bench`: what they count, and the report. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Host } from "../../../mod.ts";
import { leakCheck } from "../../_helpers.ts";
import { temporaryFolder } from "../gateway/_pipes.ts";
import { echoServer, interrupt, linesOf, outputOf, runHere, runUntil } from "./_run.ts";

test("Peers connect over the ramp-up, send, and get what the server sends back", async (t) => {
  await leakCheck(t);
  using folder = temporaryFolder();
  const report = `${folder.path}/report.html`;
  await using server = await echoServer(300);
  // More than one host has peers for.
  const how = ["-n", "260", "-r", "2", "--ramp", "400ms", "-t", "60s", "--flags", "reliable"];
  const { status, stdout } = await runUntil(
    ["load", server.address, ...how, "--report", report, "--json"],
    (printed) => /"peers":260,.*"p50Ms":(?!0[,}])/.test(printed),
  );
  const last = linesOf(stdout).at(-1) as Record<string, number>;
  assert.deepEqual([status, last.begun, last.connected], [0, 260, 260]);
  assert.ok(last.sent > 0 && last.received > 0 && last.received <= last.sent, stdout);
  assert.ok(last.p50Ms > 0 && last.connectP50Ms > 0, stdout);
  assert.deepEqual([last.failures, last.ends, last.errors], [{}, {}, {}]);
  const page = readFileSync(report, "utf8");
  assert.match(page, /<h1>Load of 127\.0\.0\.1:\d+<\/h1>/);
  assert.equal(page.match(/<svg /g)?.length, 6);
  assert.match(page, /<th>connected<\/th><td>260 of 260<\/td>/);
  // It loads nothing, from nowhere.
  assert.doesNotMatch(page, /https?:|<script|<link|<img|@import|url\(/);
});

test("A script plays; what it throws is counted, and escaped in the report", async () => {
  using folder = temporaryFolder();
  const script = `${folder.path}/player.mjs`;
  const report = `${folder.path}/report.html`;
  writeFileSync(
    script,
    `export default async (load) => {
      load.receive = () => { throw new Error("<b>in receive</b>"); };
      load.send(0, "one");
      load.count("played");
      await load.tick();
      if (load.index === 1) throw new Error("in play");
      while (await load.tick());
    };`,
  );
  await using server = await echoServer();
  const how = ["-n", "3", "-r", "5", "-t", "60s", "--script", script, "--report", report];
  const { status, stdout } = await runUntil(
    ["load", server.address, ...how, "--json"],
    (printed) => printed.includes('"peers":2,'),
  );
  assert.equal(status, 1);
  const { errors, counters, sent } = linesOf(stdout).at(-1)!;
  const { "<b>in receive</b>": inReceive, "in play": inPlay } = errors as Record<string, number>;
  assert.ok(inReceive >= 2 && inPlay === 1, JSON.stringify(errors));
  assert.deepEqual([counters, sent], [{ played: 3 }, 3]);
  assert.ok(readFileSync(report, "utf8").includes("&lt;b&gt;in receive&lt;/b&gt;"));
  const wrong = `${folder.path}/wrong.mjs`;
  writeFileSync(wrong, "export const play = 1;");
  const refused = await runHere(["load", "127.0.0.1:9", "--script", wrong]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /wrong\.mjs must have a function as its default export/);
});

test("Attempts that fail are counted by fault, and the first one is explained", async () => {
  await using host = await Host.listen({ hostname: "127.0.0.1", peers: 2 }, {});
  const line = ["load", `127.0.0.1:${host.address.port}`, "-n", "5", "-t", "20s", "--json"];
  const { status, stdout, stderr } = await runUntil(
    line,
    (printed) => printed.includes("it is full") && printed.includes('"peers":2,'),
  );
  assert.equal(status, 0);
  const { failures, connected } = linesOf(stdout).at(-1)!;
  assert.deepEqual([failures, connected], [{ full: 3 }, 2]);
  assert.match(stderr, /enet load: .* it is full, so try again later\n/);
});

test("enet bench measures a server and this machine, and Ctrl-C ends it with a result", async () => {
  const lines = linesOf(
    await outputOf(["bench", "--local", "-t", "50ms", "--size", "100", "--json"]),
  );
  assert.deepEqual(lines.map(({ type, size }) => [type, size]), [["latency", 100], [
    "throughput",
    100,
  ]]);
  for (const { messages } of lines) assert.ok(messages as number > 0);
  let messages = 0;
  await using host = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: () => void messages++,
  });
  const address = `127.0.0.1:${host.address.port}`;
  setTimeout(interrupt, 300);
  const line = ["bench", address, "--only", "throughput", "-t", "60", "--json"];
  const [throughput] = linesOf(await outputOf(line));
  // Acknowledged is what has reached the host, of which the handler may not have had all.
  assert.ok(messages > 0 && messages <= (throughput.messages as number));
});
