/** `enet top`: what it shows of a program that serves its metrics, what it changes there, and how it ends. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { PassThrough, Writable } from "node:stream";
import { test } from "node:test";
import { hint, press, type View } from "../../../lib/cli/top/keys.ts";
import { top } from "../../../lib/cli/top/command.ts";
import { bytes } from "../../../lib/cli/top/screen.ts";
import { runWith } from "../../../lib/cli/run.ts";
import { type MetricFamily, serveMetrics } from "../../../lib/metrics/mod.ts";
import { connectedPair, until, withDeadline } from "../../_helpers.ts";
import { temporaryFolder } from "../gateway/_pipes.ts";
import { LOOPBACK } from "../_host.ts";
import { outputOf, runHere, usageOf } from "./_run.ts";

const TOKEN = "0123456789abcdef";
const STEP_MS = 20_000;

const rooms = (): MetricFamily[] => [
  {
    name: "game_rooms",
    type: "gauge",
    help: "",
    samples: [{ labels: { map: "\x1b[2J" }, value: 3 }],
  },
];

test("It shows hosts, peers and other sources in 80 columns, without what terminals obey", async () => {
  await using pair = await connectedPair({ serverHandlers: {} });
  await using server = await serveMetrics([pair.server, rooms]);
  const text = await outputOf(["top", server.url, "--count", "1"]);
  const lines = text.split("\n");
  assert.ok(lines.every((line) => line.length <= 80), text);
  assert.equal(lines[0], `${LOOPBACK}:${pair.server.address.port}  1 of 64 peers`);
  assert.match(lines[3], /^ {3}PEER {2}ADDRESS +IN +OUT +TRIP +LOSS +QUEUED$/);
  const { id, address: { port } } = pair.remote;
  assert.match(lines[4], new RegExp(`^ {6}${id}  ${LOOPBACK}:${port} +- +- +\\S+ ms|- +0 % +0 B$`));
  assert.match(text, /^ {2}game_rooms map=\\u\{1b\}\[2J +3$/m);
  assert.match(
    await outputOf(["top", `${server.url}metrics`, "-n", "1", "-p", "0"]),
    /1 more peers/,
  );
});

test("The example of the help works as it stands", async () => {
  await using server = await serveMetrics(rooms);
  const [, ...args] = top.example.replace(/http:\S+/, server.url).split(" ");
  assert.notEqual(args.join(" "), top.example.slice("enet ".length));
  await outputOf([...args, "--count", "1"]);
});

test("--json prints the documented lines for each look; rates come with the second one", async () => {
  await using pair = await connectedPair({ serverHandlers: {} });
  await using server = await serveMetrics([pair.server, rooms]);
  const args = ["top", server.url, "--json", "--count", "2", "--interval", "1.1"];
  const lines = (await outputOf(args)).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ type }) => type),
    ["host", "peer", "metric", "host", "peer", "metric"],
  );
  const [first, peer, metric, second] = lines;
  assert.equal(first.receivedBytesPerSecond, null);
  assert.equal(typeof second.receivedBytesPerSecond, "number");
  assert.deepEqual([peer.host, peer.id], [first.host, pair.remote.id]);
  assert.deepEqual(metric, {
    type: "metric",
    name: "game_rooms",
    labels: { map: "\x1b[2J" },
    value: 3,
  });
  const filtered = await outputOf([
    "top",
    server.url,
    "--json",
    "-n",
    "1",
    "--filter",
    "203.0.113.",
  ]);
  assert.doesNotMatch(filtered, /"peer"/);
});

test("--kick disconnects a peer where that is allowed; a token comes from a file", async () => {
  await using pair = await connectedPair({ serverHandlers: {}, clientHandlers: {} });
  await using read = await serveMetrics(pair.server);
  await using server = await serveMetrics(pair.server, { allowKick: true, token: TOKEN });
  using folder = temporaryFolder();
  const file = `${folder.path}/token`;
  writeFileSync(file, `${TOKEN}\n`);
  const kick = ["--kick", `${pair.remote.id}`];
  const refused = await runHere(["top", read.url, ...kick]);
  assert.deepEqual([refused.status, refused.stdout], [1, ""]);
  assert.match(refused.stderr, /does not allow it: see allowKick/);
  const unknown = await runHere(["top", server.url, ...kick]);
  assert.match(unknown.stderr, /asks for a token: use --token-file/);
  const absent = await runHere(["top", server.url, "--token-file", file, "--kick", "99", "--json"]);
  assert.deepEqual([absent.status, JSON.parse(absent.stdout).kicked], [1, false]);
  const done = await outputOf(["top", server.url, "--token-file", "-", ...kick], { input: TOKEN });
  assert.equal(done, `peer ${pair.remote.id} is disconnected\n`);
  await withDeadline(pair.peer.closed, STEP_MS, "the end");
});

test("What is no metrics server, and what does not answer, ends it with a reason", async () => {
  await using server = await serveMetrics(rooms);
  const { url } = server;
  assert.match((await runHere(["top", `${url}nothing`, "-n", "1"])).stderr, /answers 404/);
  await server.close();
  const { status, stderr } = await runHere(["top", url, "--count", "1"]);
  assert.equal(status, 1);
  assert.match(stderr, /^enet top: http:.* does not answer: ./);
  assert.match(await usageOf(["top", "127.0.0.1:9464"]), /^URL must be that of a metrics server/);
  assert.match(await usageOf(["top", "http://a:b@127.0.0.1/"]), /token does not belong into URL/);
  assert.match(await usageOf(["top", url, "--host", "x"]), /--host is for --kick/);
  assert.match(await usageOf(["top"]), /^URL is missing/);
});

/** A terminal that keeps what is written, and what it was set to. */
class Screen extends Writable {
  readonly isTTY = true;
  readonly columns = 80;
  readonly rows = 24;
  text = "";

  override _write(chunk: string | Uint8Array, _encoding: string, done: () => void): void {
    this.text += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    done();
  }
}

class Keyboard extends PassThrough {
  readonly isTTY = true;
  readonly modes: boolean[] = [];

  setRawMode(isRaw: boolean): void {
    this.modes.push(isRaw);
  }
}

test("Keys order, filter and disconnect; q ends, and the last look stays on the screen", async () => {
  await using pair = await connectedPair({ serverHandlers: {}, clientHandlers: {} });
  await using server = await serveMetrics(pair.server, { allowKick: true });
  const [stdin, stdout, stderr] = [new Keyboard(), new Screen(), new Screen()];
  const running = runWith(["top", server.url, "--interval", "0.1"], { stdin, stdout, stderr });
  const shows = (text: string) => until(() => stdout.text.includes(text), STEP_MS, text);
  await shows("[t traffic]");
  stdin.write("l");
  await shows("[l loss]");
  stdin.write("/203.\r");
  await shows('/ filter "203."');
  await shows("0 B\n");
  stdin.write("/\r");
  const { id } = pair.remote;
  stdout.text = "";
  await until(() => new RegExp(`^ {6}${id}  `, "m").test(stdout.text), STEP_MS, "the peer");
  stdin.write(`k${id}`);
  await shows(`Disconnect peer: ${id}_`);
  stdin.write("\r");
  await withDeadline(pair.peer.closed, STEP_MS, "the end of the peer");
  stdout.text = "";
  stdin.write("q");
  assert.equal(await withDeadline(running, STEP_MS, "the end"), 0);
  assert.match(stdout.text, /of 64 peers/);
  assert.deepEqual(stdin.modes, [true, false]);
  assert.equal(stderr.text, "");
});

test("A key means what the line below says; others mean nothing", () => {
  const view: View = { sort: "traffic", filter: "", typing: undefined };
  const type = (keys: string, allowKick = true) =>
    [...keys].reduce(
      ([view], key) => press(view, key, allowKick),
      [view, undefined] as ReturnType<typeof press>,
    );
  assert.deepEqual(type("\x03")[1], { quit: true });
  assert.deepEqual(type("/ab\x03")[1], { quit: true });
  assert.equal(type("/a\x1b[x\x7f\r")[0].filter, "");
  assert.equal(type("/10.\x7f:x\r")[0].filter, "10:x");
  assert.deepEqual(type("k12x\r")[1], { kick: 12 });
  assert.equal(type("k\r")[1], undefined);
  assert.deepEqual(type("kx#", false), [view, undefined]);
  assert.doesNotMatch(hint(view, false), /kick/);
  assert.ok(hint({ ...view, filter: "" }, true).length <= 80);
});

test("Bytes are short", () => {
  assert.deepEqual([0, 999, 1000, 123_456, 5e9, null].map(bytes), [
    ...["0 B", "999 B", "1.0 kB", "123 kB", "5.0 GB", "-"],
  ]);
});
