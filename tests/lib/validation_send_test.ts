import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BroadcastOptions,
  type Data,
  type GroupSendOptions,
  Host,
  Packet,
  PacketFlag,
  type Peer,
} from "../../mod.ts";
import { connectedPair, leakCheck, type Pair } from "../_helpers.ts";
import {
  not,
  NOT_NUMBERS,
  OBJECTS,
  refuses,
  refusesAllButIntegers,
  refusesUndefined,
  SETTERS,
  U32,
} from "./_refuses.ts";

const DETACHED = (() => {
  const bytes = new Uint8Array(new ArrayBuffer(8), 2, 4);
  const { buffer } = bytes;
  const view = new DataView(buffer, 2, 4);
  structuredClone(buffer, { transfer: [buffer] });
  return [buffer, bytes, view] as const;
})();

/** Everything that takes data must refuse what is none. */
async function refusesAllButData(send: (data: Data) => unknown): Promise<void> {
  const values = [...not("string"), [undefined, "undefined"], [0, "0"], [NaN, "NaN"]] as const;
  for (const [value, shown] of values) {
    const says = ["data must be a string, an ArrayBuffer", `not ${shown}`];
    await refuses(() => send(value as Data), TypeError, ...says);
  }
  const promise = Promise.resolve("x") as unknown as Data;
  await refuses(() => send(promise), TypeError, "an object (Promise)");
  await refuses(() => send(new Blob(["x"]) as unknown as Data), TypeError, "an object (Blob)");
  for (const data of DETACHED) await refuses(() => send(data), TypeError, "detached ArrayBuffer");
}

async function refusesBadFlags(send: (flags: PacketFlag) => unknown): Promise<void> {
  for (const [value, shown] of NOT_NUMBERS) {
    const says = ["flags must be PacketFlag bits", `not ${shown}`];
    await refuses(() => send(value as PacketFlag), TypeError, ...says);
  }
  // Reliable excludes the others; 4 (NO_ALLOCATE), 256 (SENT) and the rest are not the program's.
  for (const flags of [3, 4, 5, 9, 11, 16, 255, 256, -1, 1.5, NaN, Infinity, 2 ** 32 + 1]) {
    await refuses(
      () => send(flags as PacketFlag),
      RangeError,
      "flags must be",
      "RELIABLE (1)",
      `not ${flags}`,
    );
  }
}

async function withPair(t: Parameters<typeof leakCheck>[0], body: (pair: Pair) => Promise<void>) {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { maximumPacketSize: 1000 } });
  await body(pair);
  // Nothing that was refused has gone out or done harm.
  pair.peer.send(0, "the only message");
  for await (const { packet } of pair.remote) {
    assert.equal(packet.text(), "the only message");
    break;
  }
}

test("Peer.send() and Peer.deliver() refuse bad data, flags, channels and sizes", async (t) => {
  await withPair(t, async ({ peer }) => {
    await refusesAllButData((data) => peer.send(0, data));
    await refusesAllButData((data) => peer.deliver(0, data));
    await refusesBadFlags((flags) => peer.send(0, "x", flags));
    const channel = "channelId of a connection with 2 channels";
    for (
      const send of [
        (channelId: number) => peer.send(channelId, "x"),
        (channelId: number) => peer.deliver(channelId, "x"),
      ]
    ) {
      await refusesAllButIntegers(send, channel, 0, 1);
      await refusesUndefined(send, channel);
      await refuses(() => send(255), RangeError, channel, "not 255");
      await refuses(() => send(2), RangeError, channel, "not 2", "`channels` of connect");
    }
    for (
      const data of [
        "x".repeat(1001),
        "é".repeat(501),
        new Uint8Array(1001),
        Packet.from("é".repeat(501)),
      ]
    ) {
      const size = typeof data === "string" ? Packet.from(data).length : data.length;
      const says = [`data of ${size} bytes`, "maximumPacketSize, 1000"];
      await refuses(() => peer.send(0, data), RangeError, ...says);
      await refuses(() => peer.deliver(0, data), RangeError, ...says);
    }
    const large = new Uint8Array(100_000);
    await refuses(() => peer.send(0, large), RangeError, "data of 100000 bytes");
    await refuses(() => peer.send(0, "é".repeat(50_000)), RangeError, "data of 100000 bytes");
  });
});

test("Host.broadcast() and Group.send() throw when data, flags, channel or size are bad", async (t) => {
  await withPair(t, async ({ client, peer }) => {
    const [empty, full] = [client.group(), client.group()];
    assert.ok(full.add(peer));
    for (const sender of [client, empty, full]) {
      const send = (channelId: number, data: Data, flags?: PacketFlag) =>
        sender instanceof Host
          ? sender.broadcast(channelId, data, flags)
          : sender.send(channelId, data, flags);
      await refusesAllButData((data) => send(0, data));
      await refusesBadFlags((flags) => send(0, "x", flags));
      await refusesAllButIntegers((channelId: number) => send(channelId, "x"), "channelId", 0, 254);
      await refusesUndefined((channelId: number) => send(channelId, "x"), "channelId");
      await refuses(() => send(0, new Uint8Array(1001)), RangeError, "1001", "1000");
    }
  });
});

test("Groups and the options of broadcast() take peers of their host only", async (t) => {
  await withPair(t, async ({ client, peer, remote }) => {
    const group = client.group();
    const nothing = [undefined, null, 1, "peer", {}, []] as unknown as Peer[];
    for (const call of [group.add, group.delete, group.has]) {
      for (const peer of nothing) {
        await refuses(() => call.call(group, peer), TypeError, "peer must be a Peer, not ");
      }
      await refuses(() => call.call(group, remote), TypeError, "peer is a peer of another host");
    }
    assert.equal(group.size, 0);
    const broadcast = (options: unknown) =>
      client.broadcast(0, "x", PacketFlag.RELIABLE, options as BroadcastOptions);
    await refuses(() => broadcast(null), TypeError, "options must be an object, not null");
    await refuses(() => broadcast({ only: [] }), TypeError, 'no option "only"', "except, to");
    await refuses(() => broadcast({ to: { peer } }), TypeError, "to must be a Peer or", "(Object)");
    await refuses(() => broadcast({ to: "abc" }), TypeError, "to must be a Peer or", '"abc"');
    await refuses(() => broadcast({ to: [1] }), TypeError, "to[…] must be a Peer, not 1");
    await refuses(() => broadcast({ except: 1 }), TypeError, "except must be a Peer or", "not 1");
    for (
      const options of [{ to: [remote] }, { to: remote }, { except: [remote] }, { except: remote }]
    ) {
      await refuses(() => broadcast(options), TypeError, "is a peer of another host");
    }
    const send = (options: unknown) =>
      group.send(0, "x", PacketFlag.RELIABLE, options as GroupSendOptions);
    await refuses(() => send({ to: [] }), TypeError, 'no option "to"', "except");
    await refuses(() => send({ except: remote }), TypeError, "is a peer of another host");
  });
});

test("Host.sendDatagram() throws when address, data or size are bad", async (t) => {
  await leakCheck(t);
  await using host = await Host.create({ maximumPacketSize: 1 }); // which concerns no datagram
  const to = { hostname: "127.0.0.1", port: 9 };
  await refusesAllButData((data) => host.sendDatagram(to, data));
  const at = (port: number) => host.sendDatagram({ hostname: "127.0.0.1", port }, "x");
  await refusesAllButIntegers(at, "address.port", 1, 65_535);
  await refusesUndefined(at, "address.port");
  for (const [value, shown] of [...OBJECTS, [undefined, "undefined"]] as const) {
    if (typeof value === "string") continue;
    const says = ["address must be an object", `not ${shown}`];
    await refuses(() => host.sendDatagram(value as never, "x"), TypeError, ...says);
  }
  for (const hostname of ["localhost", "nonexistent.invalid"]) {
    const says = ["must be an IP address here", `"${hostname}"`, "resolve"];
    await refuses(() => host.sendDatagram({ hostname, port: 9 }, "x"), TypeError, ...says);
  }
  for (const data of [new Uint8Array(65_508), "x".repeat(65_508), new ArrayBuffer(10 ** 6)]) {
    const size = Packet.from(data).length;
    const says = [`data of ${size} bytes`, "65507"];
    await refuses(() => host.sendDatagram(to, data), RangeError, ...says);
  }
});

test("Packet.from() throws when the data can't be sent", async () => {
  await refusesAllButData((data) => Packet.from(data));
});

test("Peer methods refuse values of the wrong type or out of range", async (t) => {
  await withPair(t, async ({ peer }) => {
    for (const end of ["disconnect", "disconnectLater", "disconnectNow"] as const) {
      await refusesAllButIntegers((data) => peer[end](data), "data", 0, U32);
    }
    await refusesAllButIntegers((ms) => peer.pingInterval(ms), "intervalMs", 0, U32);
    await refusesUndefined((ms) => peer.pingInterval(ms), "intervalMs");
    for (const [value, shown] of [...OBJECTS, [undefined, "undefined"]] as const) {
      const timeouts = ["timeouts must be an object", `not ${shown}`];
      await refuses(() => peer.timeout(value as never), TypeError, ...timeouts);
      const throttle = ["throttle must be an object", `not ${shown}`];
      await refuses(() => peer.throttle(value as never), TypeError, ...throttle);
    }
    await refuses(() => peer.timeout({ maximum: 1 } as never), TypeError, '"maximum"', "maximumMs");
    await refuses(() => peer.throttle({ speed: 1 } as never), TypeError, '"speed"', "intervalMs");
    for (const name of ["limit", "minimumMs", "maximumMs"]) {
      await refusesAllButIntegers((value) => peer.timeout({ [name]: value }), name, 0, U32);
    }
    for (
      const [name, high] of [
        ["intervalMs", U32],
        ["acceleration", 32],
        ["deceleration", 32],
      ] as const
    ) {
      await refusesAllButIntegers((value) => peer.throttle({ [name]: value }), name, 0, high);
    }
    assert.equal(peer.state, "connected");
    const { pingIntervalMs, timeoutLimit, packetThrottleAcceleration } = peer.stats;
    assert.deepEqual([pingIntervalMs, timeoutLimit, packetThrottleAcceleration], [500, 32, 2]);
  });
});

test("What changes or waits for a closed host or its peers fails with ENETJS_ERR_CLOSED", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer } = pair;
  await client.close();
  const settings = client as unknown as Record<string, unknown>;
  const calls: (() => unknown)[] = [
    () => client.connect({ hostname: "127.0.0.1", port: 9 }),
    () => client.filter = {},
    ...SETTERS.map(([name, low]) => () => settings[name] = low),
    () => client.compression = "range-coder",
    () => client.checksum = "crc32",
    () => client.datagrams = true,
    () => peer.deliver(0, "x"),
    () => peer.drain(),
  ];
  for (const call of calls) await refuses(call, "ENETJS_ERR_CLOSED", "the host is closed");
});
