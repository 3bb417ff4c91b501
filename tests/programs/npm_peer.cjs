/*
 * An ENet peer on the npm package `enet` (ENet 1.3.5 in asm.js) that speaks the line protocol of
 * native/tests/peer.c. Its first argument is the folder of the package.
 */
const { crc32 } = require("node:zlib");
const { createInterface } = require("node:readline");
const { parseArgs } = require("node:util");

const [folder, mode, ...rest] = process.argv.slice(2);
const { values: options } = parseArgs({
  args: rest,
  options: {
    port: { type: "string", default: "0" },
    channels: { type: "string", default: "2" },
    data: { type: "string", default: "0" },
    compress: { type: "boolean", default: false },
  },
});
const enet = require(folder);
const channels = Number(options.channels);
const connected = new Set();
const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);

function payload(length, seed) {
  const out = Buffer.alloc(length);
  for (let i = 0, x = seed; i < length; i++) {
    x = Math.imul(x, 1664525) + 1013904223 >>> 0;
    out[i] = x >>> 24;
  }
  return out;
}

function onConnect(peer, data) {
  connected.add(peer);
  say("connect", data >>> 0);
  peer.on("message", (packet, channel) => {
    const data = Buffer.from(packet.data());
    const flags = packet.flags() & 0xFF;
    say("receive", channel, data.length, crc32(data).toString(16).padStart(8, "0"), flags);
    if (mode === "server") peer.send(channel, new enet.Packet(data, flags));
  });
  peer.on("disconnect", (data) => {
    connected.delete(peer);
    say("disconnect", data >>> 0);
  });
}

function start(error, host) {
  if (error) throw error;
  if (options.compress) host.enableCompression();
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [word, ...numbers] = line.split(" ");
    const [a, flags, length, seed] = numbers.map(Number);
    for (const peer of connected) {
      if (word === "send") peer.send(a, new enet.Packet(payload(length, seed), flags));
      else if (word === "disconnect") peer.disconnect(a);
      else if (word === "disconnect-later") peer.disconnectLater(a);
    }
    if (word === "quit") process.exit(0);
  }).on("close", () => process.exit(0));
  if (mode === "server") {
    host.on("connect", onConnect);
    say("port", host.address().port);
  } else {
    const address = { address: "127.0.0.1", port: Number(options.port) };
    host.connect(address, channels, Number(options.data), (failed, peer) => {
      if (failed) throw failed;
      onConnect(peer, 0);
    });
  }
  host.start(5);
}

const settings = { peers: 32, channels, down: 0, up: 0 };
if (mode === "server") {
  enet.createServer({ ...settings, address: { address: "127.0.0.1", port: 0 } }, start);
} else {
  enet.createClient(settings, start);
}
setTimeout(() => process.exit(2), 60_000).unref();
