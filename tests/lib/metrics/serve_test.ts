/** The metrics server: what it answers, whom it refuses, and what clients can cost it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import {
  type MetricSource,
  serveMetrics,
  type ServeMetricsOptions,
} from "../../../lib/metrics/mod.ts";
import type { Status } from "../../../lib/metrics/status.ts";
import { Host } from "../../../mod.ts";
import {
  connectedPair,
  currentRuntime,
  journal,
  leakCheck,
  spawnRuntime,
  until,
  withDeadline,
} from "../../_helpers.ts";
import { LOOPBACK } from "../_host.ts";
import { parse } from "./_openmetrics.ts";

const TOKEN = "0123456789abcdef";
const STEP_MS = 20_000;

interface Asked {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** A request with exactly these headers, as `fetch` does not send them. */
async function ask(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
  body = "",
): Promise<Asked> {
  const answered = Promise.withResolvers<Asked>();
  const request = httpRequest(url, { method, headers, agent: false }, async (response) => {
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    answered.resolve({ status: response.statusCode!, headers: response.headers, text });
  });
  request.on("error", answered.reject);
  request.end(body);
  return await withDeadline(answered.promise, STEP_MS, url);
}

const statusOf = async (...args: Parameters<typeof ask>) => (await ask(...args)).status;

const nothing: MetricSource = () => [];

test("It serves the page, text in two formats, and JSON; nothing may be stored or framed", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ serverHandlers: {} });
  await using server = await serveMetrics(pair.server, { peers: true });
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  const page = await ask(server.url);
  assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
  assert.match(page.text, /^<!doctype html>/);
  assert.equal(page.headers["cache-control"], "no-store");
  assert.match(
    String(page.headers["content-security-policy"]),
    /default-src 'none'.*frame-ancestors 'none'/,
  );
  assert.doesNotMatch(page.text, /<style|style=|<script>| on\w+=/, "the policy forbids these");
  for (const [path, type] of [["page.js", "text/javascript"], ["page.css", "text/css"]]) {
    const { status, headers } = await ask(server.url + path);
    assert.deepEqual([status, headers["content-type"]], [200, `${type}; charset=utf-8`]);
    assert.equal(headers["x-content-type-options"], "nosniff");
  }
  const accept = "application/openmetrics-text; version=1.0.0";
  const metrics = await ask(`${server.url}metrics`, { accept });
  assert.equal(
    metrics.headers["content-type"],
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  );
  assert.ok(parse(metrics.text).some(({ name }) => name === "enet_peer_queue_bytes"));
  const plain = await ask(`${server.url}metrics`);
  assert.equal(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  assert.equal((await ask(`${server.url}metrics`, {}, "HEAD")).text, "");
  const status: Status = JSON.parse((await ask(`${server.url}status.json`)).text);
  const [host] = status.hosts;
  assert.deepEqual([host.peers, host.matching, status.allowKick], [1, 1, false]);
  assert.equal(host.table[0].address, `${LOOPBACK}:${pair.remote.address.port}`);
});

test("Peers are ordered, filtered and cut; rates come with the second look", async () => {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await Host.listen({ hostname: LOOPBACK }, {}));
  const connect = async () => await stack.use(await Host.create()).connect(host.address);
  const [quiet, loud] = [await connect(), await connect()];
  await until(() => host.peers.length === 2, STEP_MS, "both peers");
  const server = stack.use(await serveMetrics(host));
  const look = async (query: string) => {
    const { text } = await ask(`${server.url}status.json?${query}`);
    return (JSON.parse(text) as Status).hosts[0];
  };
  assert.equal((await look("")).receivedBytesPerSecond, null);
  await loud.deliver(0, new Uint8Array(100_000));
  await quiet.deliver(0, "x");
  const [first, second] = await until(
    async () => {
      const { table, receivedBytesPerSecond } = await look("sort=traffic");
      return receivedBytesPerSecond === null ? undefined : table;
    },
    STEP_MS,
    "rates",
  );
  assert.ok(first.receivedBytesPerSecond! > second.receivedBytesPerSecond!);
  assert.ok(first.receivedBytes > 100_000 && second.receivedBytes < 100_000);
  const cut = await look("peers=1");
  assert.deepEqual([cut.peers, cut.matching, cut.table.length], [2, 2, 1]);
  const [{ id, address }] = cut.table;
  const filtered = await look(`filter=${encodeURIComponent(address)}`);
  assert.deepEqual(filtered.table.map((peer) => peer.id), [id]);
  assert.equal((await look("filter=203.0.113.")).matching, 0);
  for (
    const query of ["sort=name", "peers=1001", "peers=-1", "peers=x", `filter=${"x".repeat(65)}`]
  ) {
    assert.equal(await statusOf(`${server.url}status.json?${query}`), 400, query);
  }
});

test("Without a token, only the names of this machine are answered", async () => {
  await using server = await serveMetrics(nothing);
  const { port } = new URL(server.url);
  const metrics = `${server.url}metrics`;
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, "LOCALHOST"]) {
    assert.equal(await statusOf(metrics, { host }), 200, host);
  }
  for (
    const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example", "10.0.0.1"]
  ) {
    assert.equal(await statusOf(metrics, { host }), 421, host);
    assert.equal(await statusOf(server.url, { host }), 421, host);
  }
  // A page of another server may link to ours, and not read what it says.
  for (const site of ["cross-site", "same-site"]) {
    assert.equal(await statusOf(metrics, { "sec-fetch-site": site }), 403);
    assert.equal(await statusOf(server.url, { "sec-fetch-site": site }), 200);
  }
  const { headers } = await ask(metrics, { origin: "https://evil.example" });
  assert.equal(headers["access-control-allow-origin"], undefined);
  assert.equal(headers["cross-origin-resource-policy"], "same-origin");
});

test("With a token, who lacks it gets the empty page only", async () => {
  await using server = await serveMetrics(nothing, { token: TOKEN, allowKick: true });
  const right = { authorization: `Bearer ${TOKEN}` };
  for (const path of ["metrics", "status.json"]) {
    const { status, headers } = await ask(server.url + path);
    assert.deepEqual([status, headers["www-authenticate"]], [401, "Bearer"]);
    for (const wrong of [`${TOKEN}x`, TOKEN.slice(1), ""]) {
      assert.equal(await statusOf(server.url + path, { authorization: `Bearer ${wrong}` }), 401);
    }
    assert.equal(await statusOf(server.url + path, { ...right, host: "game.example" }), 200);
  }
  assert.equal(await statusOf(server.url), 200);
  const json = { "content-type": "application/json" };
  assert.equal(await statusOf(`${server.url}kick`, json, "POST", "{}"), 401);
});

test("A peer is disconnected where that is allowed, and by no page of another server", async () => {
  const events = journal();
  await using pair = await connectedPair({ serverHandlers: {}, clientHandlers: events.handlers });
  await using closed = await serveMetrics(pair.server);
  await using server = await serveMetrics(pair.server, { allowKick: true });
  const name = `${LOOPBACK}:${pair.server.address.port}`;
  const json = { "content-type": "application/json" };
  const body = (peer: unknown, host = name) => JSON.stringify({ host, peer });
  const kick = (headers: Record<string, string>, text: string, url = server.url) =>
    ask(`${url}kick`, headers, "POST", text);
  const right = body(pair.remote.id);
  const { host } = new URL(server.url);

  assert.equal((await kick(json, right, closed.url)).status, 403);
  assert.equal((await kick({}, right)).status, 415);
  assert.equal((await kick({ "content-type": "text/plain" }, right)).status, 415);
  assert.equal((await kick({ ...json, origin: "http://evil.example" }, right)).status, 403);
  assert.equal((await kick({ ...json, origin: "null" }, right)).status, 403);
  assert.equal((await kick({ ...json, "sec-fetch-site": "same-site" }, right)).status, 403);
  assert.equal((await kick({ ...json, host: "evil.example" }, right)).status, 421);
  assert.equal(await statusOf(`${server.url}kick`), 405);
  for (const wrong of ["", "{", "null", body("1"), "x".repeat(2000)]) {
    assert.equal((await kick(json, wrong)).status, 400, wrong.slice(0, 20));
  }
  for (const absent of [body(99), body(pair.remote.id, "other:1"), body(1.5)]) {
    assert.equal((await kick(json, absent)).text, '{"kicked":false}');
  }
  assert.equal(pair.remote.state, "connected");
  const { text } = await kick({ ...json, origin: `http://${host}` }, right);
  assert.equal(text, '{"kicked":true}');
  const [end] = await events.wait("disconnect");
  assert.equal(end.reason, "remote");
});

test("Other paths and methods are refused, and requests beyond the limit", async () => {
  await using server = await serveMetrics(nothing, { maximumRequests: 1, allowKick: true });
  for (const path of ["favicon.ico", "constructor", "../etc/passwd", "metrics/"]) {
    assert.equal(await statusOf(server.url + path), 404, path);
  }
  const { status, headers } = await ask(`${server.url}metrics`, {}, "DELETE");
  assert.deepEqual([status, headers.allow], [405, "GET, HEAD"]);
  // One that never ends its body has the only place, until it is gone.
  const { hostname, port } = new URL(server.url);
  const slow = connect(Number(port), hostname);
  await once(slow, "connect");
  slow.on("error", () => {});
  slow.write(
    `POST /kick HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
  );
  const metrics = `${server.url}metrics`;
  await until(async () => await statusOf(metrics) === 503, STEP_MS, "the place to be taken");
  slow.destroy();
  await until(async () => await statusOf(metrics) === 200, STEP_MS, "the place to be free");
});

test(
  "Clients that ask for nothing cannot be many",
  { skip: currentRuntime() === "bun" },
  async () => {
    await using server = await serveMetrics(nothing, { maximumRequests: 1 });
    const { hostname, port } = new URL(server.url);
    const idle = Array.from({ length: 8 }, () => connect(Number(port), hostname));
    let ended = 0;
    for (const socket of idle) socket.on("error", () => {}).on("close", () => ended++).resume();
    await until(() => ended >= 4, STEP_MS, "the end of those that are too many");
    for (const socket of idle) socket.destroy();
  },
);

test("It does not keep the process alive", async () => {
  await using program = spawnRuntime(currentRuntime(), "metrics_alone.ts");
  const { code, stdout } = await withDeadline(program.ended, 3 * STEP_MS, "the end");
  assert.deepEqual([code, stdout], [0, "127.0.0.1\n"]);
});

test("It closes once, also with clients that are connected, and refuses wrong options", async () => {
  const server = await serveMetrics(nothing);
  const { hostname, port } = new URL(server.url);
  const idle = connect(Number(port), hostname);
  idle.on("error", () => {});
  await once(idle, "connect");
  const closing = server.close();
  assert.equal(server.close(), closing);
  await withDeadline(closing, STEP_MS, "the end");
  idle.destroy();
  const wrong: [ServeMetricsOptions, RegExp][] = [
    [{ hostname: "0.0.0.0" }, /^TypeError: token is missing: others reach 0\.0\.0\.0; /],
    [{ hostname: "::" }, /^TypeError: token is missing/],
    [{ token: "short" }, /^TypeError: token must be 16 to 256 visible .*, not a text of 5$/],
    [{ token: `${TOKEN} ${TOKEN}` }, /^TypeError: token must be/],
    [{ port: 65_536 }, /^RangeError: port must be an integer from 0 to 65535, not 65536$/],
    [{ tokens: TOKEN } as object, /did you mean "token"/],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(serveMetrics(nothing, options), message);
  }
  await assert.rejects(serveMetrics({} as MetricSource), /^TypeError: A source of metrics/);
  await using one = await serveMetrics(nothing);
  const taken = serveMetrics(nothing, { port: Number(new URL(one.url).port) });
  await assert.rejects(taken, { code: "ENETJS_ERR_ADDRESS_IN_USE" });
});
