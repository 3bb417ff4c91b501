import assert from "node:assert/strict";
import { test } from "node:test";
import { planLimits } from "../../../lib/limits.ts";
import { Accounts } from "../../../lib/gateway/accounts.ts";

test("An IPv4 address has an account, and so has a network of IPv6", () => {
  const accounts = new Accounts(planLimits({}), {});
  const same = [
    ["127.0.0.1", "127.0.0.1"],
    ["2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"],
    ["::1", "::2"],
    ["fe80::1%eth0", "fe80::2%eth0"],
    ["", ""],
  ];
  for (const [a, b] of same) assert.equal(accounts.of(a), accounts.of(b), `${a} ${b}`);
  const apart = ["127.0.0.1", "127.0.0.2", "2001:db8::1", "2001:db8:0:1::1", "::1", "fe80::1", ""];
  assert.equal(new Set(apart.map((address) => accounts.of(address))).size, apart.length);
});

test("Addresses that are gone are forgotten, those of which somebody is there are not", () => {
  const accounts = new Accounts(planLimits({}), {});
  const staying = accounts.of("10.0.0.1");
  staying.sessions++;
  const silent = accounts.of("10.0.0.2");
  silent.others++;
  const gone = accounts.of("10.0.0.3");
  for (let i = 0; i < 20_000; i++) accounts.of(`2001:db8:${(i >> 8).toString(16)}:${i & 255}::1`);
  assert.equal(accounts.of("10.0.0.1"), staying);
  assert.equal(accounts.of("10.0.0.2"), silent);
  assert.notEqual(accounts.of("10.0.0.3"), gone);
});
