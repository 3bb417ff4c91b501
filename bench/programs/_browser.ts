/**
 * A browser before a gateway as a carrier of wan.ts. The sender is an `EnetSocket`; with WebRTC, the `RTCPeerConnection`
 * of `node-datachannel` stands for that of a page.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { EnetSocket } from "../../lib/gateway/browser/mod.ts";
import { Gateway } from "../../lib/gateway/mod.ts";
import { Host, PacketFlag } from "../../mod.ts";
import { type Carrier, CHANNEL, CHANNELS } from "./_carrier.ts";

/** @param webrtc whether states travel over a data channel, for which the sender waits */
export const browser = (webrtc: boolean): Carrier => ({
  async listen(hostname, onMessage) {
    const host = await Host.listen({ hostname, peers: 4, channels: CHANNELS }, {
      receive: (peer, channelId, packet) =>
        onMessage(channelId, packet.view, (bytes) => void peer.send(channelId, bytes)),
    });
    const gateway = await Gateway.listen({ host, hostname, webrtc });
    return (gateway.address as { port: number }).port;
  },
  async open(hostname, port, onAnswer) {
    if (webrtc) {
      const name = "node-datachannel/polyfill"; // has no types here
      const { RTCPeerConnection } = await import(name);
      Object.assign(globalThis, { RTCPeerConnection });
    }
    const socket = await EnetSocket.connect(`ws://${hostname}:${port}`, {
      channels: CHANNELS,
      timeoutMs: 10_000,
      webrtc,
    });
    void (async () => {
      for await (const { packet } of socket) onAnswer(packet.bytes);
    })();
    while (webrtc && socket.unreliableOver !== "webrtc") await sleep(10);
    return {
      send(channel, bytes) {
        const flags = channel === CHANNEL.STATE ? PacketFlag.UNRELIABLE : PacketFlag.RELIABLE;
        socket.send(channel, bytes, flags);
      },
      async pour(bytes) {
        if (!socket.send(CHANNEL.BULK, bytes)) await socket.drain();
      },
    };
  },
});
