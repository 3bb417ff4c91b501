/**
 * The stream and the echo over the npm package `enet`, which is ENet 1.3 in asm.js, on Node.
 *
 *     npm_enet.ts receive|serve FOLDER
 *     npm_enet.ts send|ask FOLDER PORT SIZE COUNT WARMUP
 *
 * FOLDER is that of the package.
 */
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import process from "node:process";
import { promisify } from "node:util";
import { HOSTNAME, say, sayUsageSince } from "./_common.ts";
import { Meter, RoundTrips } from "./_measure.ts";

/** How often the package looks at its socket and its queues. */
const INTERVAL_MS = 1;

/** Every so many messages the receiver says that it has them. */
const CONFIRM = 200;

/** Messages that are sent before they have been confirmed. */
const UNDER_WAY = 1000;

/** As much of the package as is used here. */
interface Enet {
  createServer(options: object, callback: (error: unknown, host: EnetHost) => void): void;
  createClient(options: object, callback: (error: unknown, host: EnetHost) => void): void;
  Packet: new (data: Uint8Array, flags: number) => EnetPacket;
  PACKET_FLAG: { RELIABLE: number };
}

interface EnetPacket {
  data(): Uint8Array;
}

interface EnetHost {
  on(name: "connect", listener: (peer: EnetPeer) => void): void;
  address(): { port: number };
  connect(
    address: object,
    channels: number,
    data: number,
    callback: (error: unknown, peer: EnetPeer) => void,
  ): void;
  start(intervalMs: number): void;
}

interface EnetPeer {
  on(name: "message", listener: (packet: EnetPacket) => void): void;
  send(channelId: number, packet: EnetPacket): void;
}

const [role, folder, port, ...numbers] = process.argv.slice(2);
const enet: Enet = createRequire(import.meta.url)(folder);
const SETTINGS = { peers: 1, channels: 2, down: 0, up: 0 };

function send(peer: EnetPeer, bytes: Uint8Array): void {
  peer.send(0, new enet.Packet(Buffer.from(bytes), enet.PACKET_FLAG.RELIABLE));
}

async function listen(onMessage: (peer: EnetPeer, bytes: Uint8Array) => void): Promise<void> {
  const host = await promisify(enet.createServer)({
    ...SETTINGS,
    address: { address: HOSTNAME, port: 0 },
  });
  host.on("connect", (peer) => peer.on("message", (packet) => onMessage(peer, packet.data())));
  host.start(INTERVAL_MS);
  say("port", host.address().port);
}

async function connect(): Promise<EnetPeer> {
  const host = await promisify(enet.createClient)(SETTINGS);
  const connected = Promise.withResolvers<EnetPeer>();
  host.connect({ address: HOSTNAME, port: Number(port) }, 2, 0, (error, peer) => {
    if (error) connected.reject(error);
    else connected.resolve(peer);
  });
  host.start(INTERVAL_MS);
  return await connected.promise;
}

async function stream([size, count, warmup]: number[]): Promise<void> {
  const peer = await connect();
  const message = new Uint8Array(size);
  const mark = new Uint8Array(1);
  let underWay = 0;
  let onConfirmed = () => {};
  peer.on("message", (packet) => {
    underWay -= packet.data().length === 1 ? underWay : CONFIRM;
    onConfirmed();
  });
  const confirmed = () => new Promise<void>((resolve) => onConfirmed = resolve);
  const sendMessages = async (count: number) => {
    for (let sent = 0; sent < count; sent++) {
      send(peer, message);
      if (++underWay === UNDER_WAY) await confirmed();
    }
    send(peer, mark);
    underWay++;
    while (underWay > 0) await confirmed();
  };
  await sendMessages(warmup);
  const usage = process.cpuUsage();
  const start = performance.now();
  await sendMessages(count);
  say("seconds", (performance.now() - start) / 1000);
  sayUsageSince(usage);
}

async function ask([size, count, warmup]: number[]): Promise<void> {
  const peer = await connect();
  const message = new Uint8Array(size);
  const trips = new RoundTrips(() => send(peer, message), count, warmup);
  const over = Promise.withResolvers<void>();
  peer.on("message", () => {
    trips.answer();
    if (trips.over) over.resolve();
  });
  trips.ask();
  await over.promise;
}

if (role === "receive") {
  const meter = new Meter();
  let unconfirmed = 0;
  await listen((peer, bytes) => {
    meter.take(bytes);
    if (bytes.length === 1) {
      unconfirmed = 0;
      send(peer, new Uint8Array(1));
    } else if (++unconfirmed === CONFIRM) {
      unconfirmed = 0;
      send(peer, new Uint8Array(2));
    }
  });
} else if (role === "serve") {
  await listen((peer, bytes) => send(peer, bytes));
} else {
  if (role === "send") await stream(numbers.map(Number));
  else await ask(numbers.map(Number));
  process.exit();
}
