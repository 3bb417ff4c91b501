/**
 * The numbers, names and signatures that C and TypeScript must agree on, read from the headers and
 * from the built library.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import * as tables from "../../ffi/layout.ts";
import {
  CAPTURE_STAT,
  CHANNEL,
  CONDITION,
  CONFIG,
  DIAGNOSTIC,
  DISCONNECT,
  FATE,
  HOST_STAT,
  LAYOUT,
  LIMIT,
  LINK,
  PEER_OPTION,
  PEER_STAT,
  SECURITY,
  TOKEN,
} from "../../ffi/layout.ts";
import { loadLibrary } from "../../ffi/loader.ts";
import { SYMBOLS } from "../../ffi/symbols.ts";
import { END_REASONS } from "../../lib/internal/connection_contract.ts";
import { LIVE_SETTINGS, SETTINGS } from "../../lib/internal/settings.ts";
import { ERROR_MEANINGS, nativeError } from "../../lib/errors.ts";
import { diagnostics, DisconnectCode, Host, PacketFlag, versions } from "../../mod.ts";
import { connectedPair } from "../_helpers.ts";

const read = (name: string) =>
  readFileSync(new URL(`../../native/include/${name}`, import.meta.url), "utf8");

const functions = read("enetjs.h");

/** The numbers of the header, without the prefix. */
const defines: Readonly<Record<string, number>> = Object.fromEntries(
  [...read("enetjs_layout.h").matchAll(/^#define ENETJS_(\w+) \(?(-?\d+)\)?(?:\s|$)/gm)]
    .map(([, name, value]) => [name, Number(value)]),
);

/** Those whose names begin with a prefix, without it and without the count. */
function group(prefix: string): Record<string, number> {
  return Object.fromEntries(
    Object.entries(defines)
      .filter(([name]) => name.startsWith(prefix) && name !== `${prefix}COUNT`)
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

test("enetjs_layout() reports the numbers of ffi/layout.ts, in their order", async () => {
  const { native } = await loadLibrary();
  const expected = [...Object.values(LAYOUT), ...Object.values(CHANNEL)];
  const values = new Float64Array(expected.length + 1).fill(-1);
  const count = native.enetjs_layout(new Uint8Array(values.buffer), values.byteLength);
  assert.equal(count, expected.length);
  assert.deepEqual([...values], [...expected, -1]);
});

test("ffi/layout.ts has the numbers of the header", () => {
  for (const [name, value] of Object.entries(LAYOUT)) {
    if (name in defines) assert.equal(value, defines[name], name);
    else assert.match(name, /^(FLAG|MINIMUM|MAXIMUM|PACKET)_/, "only ENet's own are not in ours");
  }
  for (
    const prefix of [
      ...["WORD_", "RECORD_", "EVENT_", "COMPLETION_", "REASON_", "CODE_", "WATCH_"],
    ]
  ) {
    for (const name of Object.keys(group(prefix))) assert.ok(`${prefix}${name}` in LAYOUT, name);
  }
});

test("ffi/layout.ts has the configuration, options, modes and statistics of the header", () => {
  const { DISCONNECT: NORMAL, ...rest } = defines;
  assert.deepEqual(CHANNEL, group("CHANNEL_"));
  assert.deepEqual(CONFIG, group("CONFIG_"));
  assert.deepEqual(HOST_STAT, group("HOST_STAT_"));
  assert.deepEqual(LIMIT, group("LIMIT_"));
  assert.deepEqual(SECURITY, group("SECURITY_"));
  assert.deepEqual(TOKEN, group("TOKEN_"));
  assert.deepEqual(LINK, group("LINK_"));
  assert.deepEqual(CONDITION, group("CONDITION_"));
  assert.deepEqual(FATE, group("FATE_"));
  assert.deepEqual(CAPTURE_STAT, group("CAPTURE_STAT_"));
  assert.deepEqual(PEER_STAT, group("PEER_STAT_"));
  assert.deepEqual(DIAGNOSTIC, group("DIAGNOSTIC_"));
  assert.deepEqual(DISCONNECT, {
    NORMAL,
    NOW: rest.DISCONNECT_NOW,
    LATER: rest.DISCONNECT_LATER,
    ABANDON: rest.DISCONNECT_ABANDON,
  });
  const options = Object.entries(group("PEER_"))
    .filter(([name]) => !name.startsWith("STAT_") && name !== "SLOTS");
  assert.deepEqual(PEER_OPTION, Object.fromEntries(options));
});

test("Every reason why a connection ends has its word", () => {
  for (const [name, value] of Object.entries(group("REASON_"))) {
    assert.equal(END_REASONS[value], name.toLowerCase());
  }
});

test("No table is so large that V8 would search in it", () => {
  for (const [name, table] of Object.entries(tables)) {
    assert.ok(Object.keys(table).length <= 128, name);
  }
});

test("Positions count up from 0 without a gap, and each group has as many as its count", () => {
  const groups = { CAPTURE_STAT, CONDITION, CONFIG, FATE, HOST_STAT, LIMIT, PEER_STAT, DIAGNOSTIC };
  for (const [name, table] of Object.entries(groups)) {
    const positions = Object.values(table);
    assert.deepEqual(positions, positions.map((_, index) => index), name);
    assert.equal(positions.length, LAYOUT[`${name}_COUNT` as keyof typeof LAYOUT], name);
  }
});

test("Every setting is an option that enetjs_host_set() takes", () => {
  const comment = functions.match(/\/\*\*\n \* Changes an option of a live host\.[^]*?\*\//)?.[0] ??
    "";
  const names = Object.entries(CONFIG);
  for (const name of LIVE_SETTINGS) {
    const { option } = SETTINGS[name];
    // The last one is the second value of INCOMING_BANDWIDTH.
    if (option === undefined || option === CONFIG.OUTGOING_BANDWIDTH) continue;
    const found = names.find(([, position]) => position === option)?.[0];
    assert.ok(found !== undefined && comment.includes(found), `${name}: ${found}`);
  }
});

test("Every setting can be read and assigned on a host", () => {
  const accessors = Object.getOwnPropertyDescriptors(Host.prototype);
  for (const name of LIVE_SETTINGS) {
    const { get, set } = accessors[name];
    assert.ok(get !== undefined && set !== undefined, name);
  }
});

test("Native error codes have the names and the order of the header", () => {
  const errors = Object.entries(group("ERR_"));
  assert.equal(errors.length, 32);
  errors.forEach(([name, value], index) => {
    assert.equal(value, -1 - index, name);
    assert.equal(nativeError(value, "x").code, `ENETJS_ERR_${name}`);
  });
  // One more would be a code that TypeScript does not know.
  assert.equal(nativeError(-1 - errors.length, "x").code, "ENETJS_ERR_ARGUMENT");
});

test("enetjs_error_text() begins with what ENetError says", async () => {
  const { native } = await loadLibrary();
  const buffer = new Uint8Array(256);
  for (const value of Object.values(group("ERR_"))) {
    const length = native.enetjs_error_text(value, buffer, buffer.length);
    const text = new TextDecoder().decode(buffer.subarray(0, length));
    const meaning = ERROR_MEANINGS[nativeError(value, "").code];
    assert.ok(text.toLowerCase().startsWith(meaning.toLowerCase()), `${text}: ${meaning}`);
  }
});

test("The symbol table has the functions of the header with their parameters", () => {
  const declarations = [...functions.matchAll(/^ENETJS_API double (\w+)\(([^)]*)\);/gm)];
  const declared = declarations.map(([, name, parameters]) => {
    const kinds = parameters === "void" ? [] : parameters.split(",").map((parameter) => {
      const type = parameter.trim().replace(/\s*\w+$/, "");
      if (type === "double") return "f64";
      assert.match(type, /^(const )?uint8_t \*$/, `${name}: ${parameter}`);
      return "buffer";
    });
    return [name, kinds];
  });
  assert.equal((functions.match(/^ENETJS_API /gm) ?? []).length, declared.length);
  assert.deepEqual(Object.entries(SYMBOLS), declared);
});

test("DisconnectCode has the numbers of the header, each of four ASCII characters", () => {
  assert.deepEqual(DisconnectCode, group("CODE_"));
  const text = (code: number) =>
    String.fromCharCode(code >>> 24, code >>> 16 & 255, code >>> 8 & 255, code & 255);
  assert.deepEqual(Object.values(DisconnectCode).map(text), [
    "full",
    "limt",
    "deny",
    "late",
    "dupl",
    "clos",
  ]);
});

test("PacketFlag has the numbers of ENet", () => {
  const { RELIABLE, UNSEQUENCED, UNRELIABLE_FRAGMENT } = PacketFlag;
  assert.deepEqual(
    [RELIABLE, UNSEQUENCED, UNRELIABLE_FRAGMENT],
    [LAYOUT.FLAG_RELIABLE, LAYOUT.FLAG_UNSEQUENCED, LAYOUT.FLAG_UNRELIABLE_FRAGMENT],
  );
});

test("diagnostics() and versions() read what the library reports", async () => {
  const { native, path, runtime } = await loadLibrary();
  await using _pair = await connectedPair();
  const counters = await diagnostics();
  const values = new Float64Array(LAYOUT.DIAGNOSTIC_COUNT);
  native.enetjs_diagnostics(new Uint8Array(values.buffer), values.byteLength);
  assert.deepEqual([counters.hosts, counters.pumps], [2, 2]);
  assert.equal(values[DIAGNOSTIC.HOSTS], 2);
  assert.ok(counters.allocations > 0 && counters.allocatedBytes > 0);
  assert.ok(counters.reservedBytes >= counters.allocatedBytes);
  const { abi, library, runtime: name, libenet, datagrams } = await versions();
  assert.deepEqual([abi, library, name], [LAYOUT.ABI_VERSION, path, runtime.name]);
  assert.match(libenet, /^\d+\.\d+\.\d+$/);
  assert.equal(datagrams, process.platform === "linux" ? "batched" : "plain");
});

test("Calls with stale or senseless handles return errors", async () => {
  const { native } = await loadLibrary();
  const { ERR_CLOSED, ERR_STALE, ERR_ARGUMENT } = defines;
  const senseless = [0, -1, 1.5, NaN, Infinity, 2 ** 53, 4096 * 1_000_000];
  for (const host of senseless) {
    assert.equal(native.enetjs_host_service(host, 0), ERR_CLOSED);
    assert.equal(native.enetjs_host_close(host), ERR_CLOSED);
    assert.equal(native.enetjs_peer_send(host, 0, 0, 0, 0, 0, 0), ERR_CLOSED);
    assert.equal(native.enetjs_host_stats(host), ERR_CLOSED);
  }
  for (const packet of senseless) {
    assert.equal(native.enetjs_packet_release(packet), ERR_STALE);
    assert.equal(native.enetjs_packet_read(packet, new Uint8Array(8), 8), ERR_STALE);
  }
  for (const timeout of [-1, 0.5, NaN, 2 ** 31]) {
    assert.equal(native.enetjs_host_service(0, timeout), ERR_ARGUMENT);
  }
});
