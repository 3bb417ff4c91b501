/** `enet gateway --to`: browsers reach an ENet server through a process of its own. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import { spawnProgram, withDeadline } from "../../_helpers.ts";
import { Enet, STEP_MS } from "./_gateway.ts";

const C_PEER = fileURLToPath(new URL("../../../native/build/enet_peer", import.meta.url));

test("enet gateway --to lets browsers into a C server, counts them, and tells them of its end", async () => {
  await using server = spawnProgram(C_PEER, ["server", "--compress"]);
  const to = `127.0.0.1:${await server.line("port ")}`;
  await using enet = await Enet.gateway("--to", to, "--compress", "--metrics", "0");
  const metrics = await enet.told("metrics at ");
  await using browser = await EnetSocket.connect(await enet.url(), { data: 7 });
  assert.equal(await server.line("connect "), "7");
  browser.send(0, "echo this");
  for await (const { packet } of browser) {
    assert.equal(packet.text(), "echo this");
    break;
  }
  const text = await (await fetch(metrics)).text();
  assert.match(text, /^enet_gateway_browsers 1$/m);
  assert.match(text, /^enet_gateway_refused_browsers_total\{cause="full"\} 0$/m);
  enet.signal("SIGTERM");
  const { reason } = await withDeadline(browser.closed, STEP_MS, "the end");
  assert.equal(reason, "remote");
  await server.line("disconnect ");
  await enet.ends(0);
});

test("enet gateway --to says that the server does not answer", async (t) => {
  const silent = createSocket("udp4");
  t.after(() => silent.close());
  await once(silent.bind(0, "127.0.0.1"), "listening");
  const to = `127.0.0.1:${silent.address().port}`;
  await using enet = await Enet.gateway("--to", to);
  const error = await EnetSocket.connect(await enet.url(), { timeoutMs: STEP_MS }).catch((e) => e);
  assert.equal(error.code, "ENETJS_ERR_REFUSED");
  assert.match(await enet.told("enet gateway: "), /127\.0\.0\.1:\d+: no answer/);
});

const wrong: Record<string, [string[], RegExp]> = {
  "pipes": [["--to", "127.0.0.1:7777", "--std"], /--std is for pipes: leave it out/],
  "another unit": [["--to", "127.0.0.1:7777", "--frame", "line"], /--frame is for pipes/],
  "a subprotocol": [["--to", "127.0.0.1:7777", "--protocol", "chat"], /--protocol is for pipes/],
  "more browsers than a host has peers": [
    ["--to", "127.0.0.1:7777", "--max-clients", "5000"],
    /--max-clients can be 4095 at most/,
  ],
  "WebRTC behind a proxy that says nothing of UDP": [
    ["--to", "127.0.0.1:7777", "--webrtc", "--proxy", "10.0.0.1"],
    /--webrtc behind a proxy needs --webrtc-address/,
  ],
  "no server": [["--compress"], /say which with --to/],
  "no port": [["--to", "127.0.0.1"], /port/],
};
for (const [what, [args, message]] of Object.entries(wrong)) {
  test(`enet gateway --to refuses ${what} as wrong usage`, async () => {
    await using enet = new Enet(["gateway", ...args]);
    await enet.ends(2);
    assert.match(enet.stderr, message);
  });
}
