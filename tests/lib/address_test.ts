/** Addresses and rules as text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Address, type ENetError, Host } from "../../mod.ts";
import { formatIp, parseIp } from "../../lib/internal/ip.ts";
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
    ["::1:7777", /stands in brackets/],
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
