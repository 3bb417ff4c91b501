/** What hosts and other sources tell as metrics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import { Gateway } from "../../../lib/gateway/mod.ts";
import {
  labelled,
  type MetricFamily,
  metrics,
  type MetricSource,
  roomsMetrics,
} from "../../../lib/metrics/mod.ts";
import { Host } from "../../../mod.ts";
import { connectedPair, leakCheck, until } from "../../_helpers.ts";
import { LOOPBACK } from "../_host.ts";
import { parse, valueOf } from "./_openmetrics.ts";

const BYTES = 100_000;

test("A host tells its peers, traffic, and histograms of round trip and queue", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ server: { peers: 5 }, serverHandlers: {} });
  const { server, peer, remote } = pair;
  await peer.deliver(0, new Uint8Array(BYTES));
  const families = parse(metrics(server));
  const host = `${LOOPBACK}:${server.address.port}`;
  const value = (name: string, labels = {}) => valueOf(families, name, { host, ...labels });
  assert.equal(value("enet_host_peers"), 1);
  assert.equal(value("enet_host_peers_maximum"), 5);
  assert.ok(value("enet_host_received_bytes_total") > BYTES);
  assert.equal(value("enet_host_refused_total", { cause: "full" }), 0);
  assert.equal(value("enet_host_peer_queue_bytes_gcount"), 1);
  assert.equal(value("enet_host_peer_queue_bytes_bucket", { le: "0.0" }), 1);
  assert.ok(!families.some(({ name }) => name.startsWith("enet_peer_")), "peers have no series");

  // The numbers of the peer are of whole datagrams, and the host's are of the handshake, too.
  const { stats } = remote;
  assert.ok(stats.totalReceivedData > BYTES && stats.totalReceivedPackets > BYTES / stats.mtu);
  assert.ok(stats.totalReceivedData <= server.stats.totalReceivedData);
  assert.ok(stats.totalSentPackets > 0 && stats.totalSentData <= server.stats.totalSentData);
  assert.ok(peer.stats.totalSentData > BYTES);

  const each = parse(metrics(server, { peers: true }));
  const labels = { peer: `${remote.id}`, address: `${LOOPBACK}:${remote.address.port}` };
  assert.ok(valueOf(each, "enet_peer_received_bytes_total", labels) > BYTES);
});

test("A peer that nothing was sent to and from tells a round trip after its first one", async () => {
  await using pair = await connectedPair();
  await until(() => pair.peer.stats.smoothedRoundTripMs > 0, 20_000, "a round trip");
  const families = parse(metrics(pair.client));
  assert.equal(valueOf(families, "enet_host_peer_round_trip_seconds_gcount"), 1);
});

test("Hosts of one address have names of their own; a closed host tells its last values", async () => {
  await using stack = new AsyncDisposableStack();
  const hosts = [stack.use(await Host.create()), stack.use(await Host.create())];
  const names = () =>
    parse(metrics(hosts)).find(({ name }) => name === "enet_host_peers")!.samples
      .map(({ labels }) => labels.host);
  const [first, second] = names();
  assert.equal(second, `${first}#2`);
  await hosts[0].close();
  assert.deepEqual(names(), [first, second]);
  // A host that is given twice is one.
  assert.equal(metrics([hosts[1], hosts[1]]), metrics(hosts[1]));
});

test("Other sources come beside hosts; labels tell two of one kind apart", async () => {
  const rooms = (value: number) => (): MetricFamily[] => [
    { name: "game_rooms", type: "gauge", help: "Rooms", samples: [{ value }] },
  ];
  const two = [labelled(rooms(3), { shard: "a" }), labelled({ metrics: rooms(4) }, { shard: "b" })];
  const families = parse(metrics(two));
  assert.deepEqual(families.map(({ name }) => name), ["game_rooms"]);
  assert.equal(valueOf(families, "game_rooms", { shard: "b" }), 4);

  await using host = await Host.listen({ hostname: LOOPBACK }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  await using gateway = await Gateway.listen({ host, hostname: LOOPBACK });
  await using socket = await EnetSocket.connect(gateway.url);
  socket.send(0, "hello");
  for await (const _ of socket) break;
  const both = parse(metrics([host, gateway], { peers: true }));
  assert.equal(valueOf(both, "enet_gateway_browsers"), 1);
  assert.equal(valueOf(both, "enet_host_peers"), 1);
  // A browser is a peer, whose traffic is that of its messages.
  assert.equal(valueOf(both, "enet_peer_received_bytes_total"), 5);
});

test("The counters of rooms are a source", () => {
  const traffic = { messagesOut: 5, bytesOut: 60, messagesIn: 7, bytesIn: 80 };
  const now = { linked: true, queuedBytes: 9, lagMs: 250 };
  const stats = { hosts: 2, rooms: 3, members: 4, localRooms: 1, refused: 1, ...traffic, ...now };
  const families = parse(metrics(roomsMetrics({ stats: { ...stats, dropped: { slow: 6 } } })));
  assert.equal(valueOf(families, "enet_rooms_members"), 4);
  assert.equal(valueOf(families, "enet_rooms_lag_seconds"), 0.25);
  assert.equal(valueOf(families, "enet_rooms_sent_bytes_total"), 60);
  assert.equal(valueOf(families, "enet_rooms_dropped_messages_total", { reason: "slow" }), 6);
});

test("What is no source is refused, and so are two kinds of one name", () => {
  for (const wrong of [undefined, 1, {}, "host", [{}], new Map([[1, 2]])]) {
    assert.throws(() => metrics(wrong as unknown as MetricSource), {
      name: "TypeError",
      message: /^A source of metrics must be a Host, .*, not /,
    });
  }
  const family = (type: "gauge" | "counter") => (): MetricFamily[] => [
    { name: "a", type, help: "", samples: [] },
  ];
  assert.throws(
    () => metrics([family("gauge"), family("counter")]),
    /^TypeError: Two sources of metrics have a, as a gauge and as a counter$/,
  );
  assert.throws(() => metrics([], { peer: true } as object), /did you mean "peers"/);
});
