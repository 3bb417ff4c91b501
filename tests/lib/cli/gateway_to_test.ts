/** `enet gateway --to`: browsers reach an ENet server through a process of its own. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import { decodeAnswer, encodeOffer } from "../../../lib/gateway/link/signalling.ts";
import { Host } from "../../../mod.ts";
import { spawnProgram, until, withDeadline } from "../../_helpers.ts";
import { raw } from "../gateway/_gateway.ts";
import { absent } from "../gateway/_rtc.ts";
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

test(
  "--webrtc, --webrtc-ports and --webrtc-address answer offers of pages",
  { skip: absent },
  async () => {
    await using host = await Host.listen({ hostname: "127.0.0.1" });
    await using enet = await Enet.gateway(
      ...["--to", `127.0.0.1:${host.address.port}`, "--webrtc"],
      ...["--webrtc-ports", "20000-29999"],
      ...["--webrtc-address", "192.0.2.7", "--webrtc-address", "2001:db8::7"],
    );
    const page = await raw(await enet.url());
    page.send(encodeOffer({
      fingerprint: new Uint8Array(32),
      name: "name",
      password: "0123456789012345678901",
    }));
    const frame = await until(
      () => page.frames.find(([, type]) => type === 6),
      STEP_MS,
      "an answer",
    );
    const answer = decodeAnswer(frame);
    assert.deepEqual(answer?.addresses, ["192.0.2.7", "2001:db8::7"]);
    assert.ok(answer.port >= 20_000 && answer.port <= 29_999, String(answer.port));
    page.socket.close();
  },
);

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
  "WebRTC without a server": [["--webrtc"], /say which with --to/],
  "ports without WebRTC": [
    ["--to", "127.0.0.1:7777", "--webrtc-ports", "1-2"],
    /are for --webrtc: add it/,
  ],
  "an address without WebRTC": [
    ["--to", "127.0.0.1:7777", "--webrtc-address", "192.0.2.1"],
    /are for --webrtc: add it/,
  ],
  "ports in the wrong order": [
    ["--to", "127.0.0.1:7777", "--webrtc", "--webrtc-ports", "2-1"],
    /--webrtc-ports must be two ports, as 40000-40999, not "2-1"/,
  ],
  "a name for an address": [
    ["--to", "127.0.0.1:7777", "--webrtc", "--webrtc-address", "play.example"],
    /--webrtc-address must be an IP address, not "play\.example"/,
  ],
  "no port": [["--to", "127.0.0.1"], /port/],
};
for (const [what, [args, message]] of Object.entries(wrong)) {
  test(`enet gateway --to refuses ${what} as wrong usage`, async () => {
    await using enet = new Enet(["gateway", ...args]);
    await enet.ends(2);
    assert.match(enet.stderr, message);
  });
}
