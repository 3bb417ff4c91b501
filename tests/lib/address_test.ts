/** Addresses and rules as text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Address, type ENetError, Host } from "../../mod.ts";
import { LAYOUT } from "../../ffi/layout.ts";
import type { Native } from "../../ffi/symbols.ts";
import { formatIp, parseIp } from "../../lib/internal/ip.ts";
import { RecordAddresses } from "../../lib/internal/native_address.ts";
import { complaint, isPossible } from "./_ipv6.ts";

test("IPv6 addresses are read and written in their canonical form", () => {
  const forms: Record<string, string> = {
    "::": "::",
    "::1": "::1",
    "1::": "1::",
    "2001:DB8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
    "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
    "fe80::1%eth0": "fe80::1%eth0",
    "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
    "::ffff:192.0.2.7": "192.0.2.7",
    "::ffff:c000:207": "192.0.2.7",
    "1:2:3:4:5:6:7:8": "1:2:3:4:5:6:7:8",
    "0:0:0:1::": "0:0:0:1::",
  };
  for (const [text, canonical] of Object.entries(forms)) {
    const address = parseIp(text);
    assert.ok(address !== undefined, text);
    assert.equal(formatIp(address), canonical);
  }
  const wrong = [
    ...["", ":", ":::", "1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8"],
    ...["12345::", "g::", "::1.2.3", "1.2.3.4::", "::1%", "[::1]", "::1/64", "::ffff:1.2.3.4%1"],
  ];
  for (const text of wrong) assert.equal(parseIp(text), undefined, text);
});

test("Addresses that cannot be meant are refused with what to write", async () => {
  await using client = await Host.create();
  const refusals: [unknown, RegExp][] = [
    ["::1", /stands in brackets, as in "\[::1\]:7777"/],
    ["[::1]", /must have a port.*"\[::1\]:7777"/],
    ["::1:7777", /stands in brackets, as in "\[::1\]:7777" or "\[::1:7777\]:7777", not/],
    ["2001:db8::7", /stands in brackets, as in "\[2001:db8::7\]:7777", not/],
    ["fe80::1%lo:7778", /stands in brackets, as in "\[fe80::1%lo\]:7778", not/],
    [{ hostname: "[::1]", port: 1 }, /without brackets and port, "::1"/],
    [{ hostname: "[::1]:7", port: 1 }, /without brackets and port, "::1"/],
    [{ hostname: "fe80::1", port: 1 }, /needs its network interface, as in "fe80::1%eth0"/],
    [{ hostname: "ff02::1", port: 1 }, /needs its network interface, as in "ff02::1%eth0"/],
    [{ hostname: "ff12::1", port: 1 }, /needs its network interface, as in "ff12::1%eth0"/],
    [{ hostname: "::1%lo", port: 1 }, /only link-local addresses have: leave out "%lo"/],
    [{ hostname: "1::2::3", port: 1 }, /is not an IPv6 address/],
    [{ hostname: "240.0.0.1", port: 1 }, /is in 240\.0\.0\.0\/4/],
  ];
  for (const [address, message] of refusals) {
    assert.match(await complaint(() => client.connect(address as Address)), message);
  }
  for (const hostname of ["fe80::1%nowhere0", "ff12::1%nowhere0"]) {
    await assert.rejects(client.connect({ hostname, port: 9 }), (error: ENetError) => {
      assert.equal(
        error.code,
        isPossible ? "ENETJS_ERR_ADDRESS_UNAVAILABLE" : "ENETJS_ERR_ADDRESS_FAMILY",
      );
      return true;
    });
  }
});

test("A datagram to an interface that has gone is lost, like any other that has no way", async () => {
  await using host = await Host.listen({ datagrams: true });
  assert.equal(host.sendDatagram({ hostname: "fe80::1%nowhere0", port: 9 }, "answer"), false);
});

test("An interface whose name can't stand in an address is written as its number", () => {
  const words = new Uint32Array(16);
  words[LAYOUT.RECORD_DATA] = 0xFE800000;
  words[LAYOUT.RECORD_ADDRESS] = 1;
  words[LAYOUT.RECORD_TYPE] = 7 << 8;
  const zones = [["eth0", "eth0"], ["é.1@2", "é.1@2"], ["a[b]", "7"], ["\xFF", "7"]] as const;
  for (const [name, zone] of zones) {
    const native = {
      enetjs_interface_name(_number: number, out: Uint8Array) {
        const bytes = name === "\xFF" ? Uint8Array.of(0xFF) : new TextEncoder().encode(name);
        out.set(bytes);
        return bytes.length;
      },
    } as unknown as Native;
    const addresses = new RecordAddresses({ native, handle: 0, memory: { words } });
    addresses.note(0);
    words[LAYOUT.RECORD_ADDRESS] = LAYOUT.ADDRESS_BEFORE;
    assert.equal(addresses.take(0, 9).hostname, `fe80::1%${zone}`);
    words[LAYOUT.RECORD_ADDRESS] = 1;
  }
});

test("A rule for one version of IP says nothing about the other", async () => {
  for (
    const [text, message] of [
      ["::1/129", /must be an IP address or prefix/],
      ["fe80::1%eth0", /must not have a zone/],
      ["::ffff:0.0.0.0/96", /must be an IP address or prefix/],
    ] as const
  ) {
    assert.match(await complaint(() => Host.create({ filter: { deny: [text] } })), message);
  }
  await using server = await Host.listen({ hostname: "127.0.0.1", filter: { deny: ["::/0"] } });
  await using client = await Host.create();
  assert.equal((await client.connect(server.address)).state, "connected");
});

test("A host of IPv6 alone is given no IPv4 address", async () => {
  for (const hostname of ["127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"]) {
    assert.match(
      await complaint(() => Host.listen({ hostname, ipv6Only: true })),
      /ipv6Only is for an IPv6 hostname such as "::", not "[\d.:f]+": leave out one of them/,
    );
  }
});
