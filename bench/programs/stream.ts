/**
 * One sender, one receiver, as many messages a second as they can; the counterpart of
 * bench/c/stream.c.
 *
 *     stream.ts receive STYLE [TURN_BUDGET_MS]
 *     stream.ts send STYLE PORT SIZE COUNT WARMUP FLAGS
 */
import process from "node:process";
import { Host, type PacketFlag, type Peer } from "../../mod.ts";
import {
  connect,
  createClient,
  hasPump,
  hostSecurity,
  ignoreEvents,
  LISTENING,
  say,
  sayUsageSince,
  type Style,
} from "./_common.ts";
import { Meter } from "./_measure.ts";

const meter = new Meter();

const receivers: Record<Style, (turnBudgetMs?: number) => Promise<void>> = {
  async handler(turnBudgetMs) {
    const over = Promise.withResolvers<void>();
    await using server = await Host.listen({
      hostname: LISTENING,
      peers: 1,
      turnBudgetMs,
      security: hostSecurity,
    }, {
      receive: (_peer, _channelId, packet) => meter.take(packet.view),
      disconnect: () => over.resolve(),
    });
    say("port", server.address.port);
    await over.promise;
  },
  async "for-await"(turnBudgetMs) {
    await using server = await Host.listen({
      hostname: LISTENING,
      peers: 1,
      turnBudgetMs,
      security: hostSecurity,
    });
    say("port", server.address.port);
    for await (const event of server) {
      if (event.type === "receive") meter.take(event.packet.view);
      if (event.type === "disconnect") break;
    }
  },
  async manual(turnBudgetMs) {
    await using server = await Host.listen({
      hostname: LISTENING,
      peers: 1,
      pump: false,
      security: hostSecurity,
      turnBudgetMs,
    });
    say("port", server.address.port);
    for (;;) {
      const event = server.service(1000);
      if (event?.type === "receive") meter.take(event.packet.view);
      if (event?.type === "disconnect") break;
    }
  },
};

/** Sends a number of messages, waiting wherever the queue is full. */
async function sendAndDrain(peer: Peer, message: Uint8Array, count: number, flags: PacketFlag) {
  for (let sent = 0; sent < count; sent++) {
    if (!peer.send(0, message, flags)) await peer.drain();
  }
}

/** As `sendAndDrain`, by servicing until ENet takes more. */
function sendAndService(
  host: Host,
  peer: Peer,
  message: Uint8Array,
  count: number,
  flags: PacketFlag,
) {
  for (let sent = 0; sent < count; sent++) {
    if (peer.send(0, message, flags)) continue;
    while (peer.stats.queuedBytes > host.highWaterMark / 2) host.service(1);
  }
}

async function send(style: Style, port: number, [size, count, warmup, flags]: number[]) {
  const host = await createClient(
    { peers: 1, pump: hasPump(style) },
    style === "handler" ? {} : undefined,
  );
  const events = style === "for-await" ? ignoreEvents(host) : undefined;
  const peer = await connect(host, port, style);
  peer.throttle({ deceleration: 0 }); // Otherwise ENet drops unreliable messages at the sender.
  const message = new Uint8Array(size);
  const sendMessages = async (count: number) => {
    if (style === "manual") sendAndService(host, peer, message, count, flags as PacketFlag);
    else await sendAndDrain(peer, message, count, flags as PacketFlag);
  };
  const sendMark = async () => {
    if (style !== "manual") return await peer.deliver(0, new Uint8Array(1));
    peer.send(0, new Uint8Array(1));
    while (peer.stats.queuedMessages > 0) host.service(1);
  };
  await sendMessages(warmup);
  await sendMark();
  const usage = process.cpuUsage();
  const start = performance.now();
  await sendMessages(count);
  await sendMark();
  say("seconds", (performance.now() - start) / 1000);
  sayUsageSince(usage);
  await host.close();
  await events;
}

const [role, style, ...numbers] = process.argv.slice(2);
const [first, ...others] = numbers.map(Number);
if (role === "receive") await receivers[style as Style](first);
else await send(style as Style, first, others);
