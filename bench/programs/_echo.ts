/**
 * The servers of the programs that measure what comes back.
 *
 * @module
 */
import { Host, type HostOptions, type PacketFlag } from "../../mod.ts";
import { hostSecurity, LISTENING, say, type Style } from "./_common.ts";

/** How a server answers. */
export interface Echo {
  spin: HostOptions["spin"];
  /** What answers are sent with. */
  flags: PacketFlag;
  /** Whether a manual server sends each answer at once, or with what comes after it. */
  flush: boolean;
}

/** Servers of one client that send everything back. */
export const echoServers: Record<Style, (echo: Echo) => Promise<void>> = {
  async handler({ spin, flags }) {
    const over = Promise.withResolvers<void>();
    await using server = await Host.listen({
      hostname: LISTENING,
      peers: 1,
      spin,
      security: hostSecurity,
    }, {
      receive: (peer, channelId, packet) => void peer.send(channelId, packet, flags),
      disconnect: () => over.resolve(),
    });
    say("port", server.address.port);
    await over.promise;
  },
  async "for-await"({ spin, flags }) {
    await using server = await Host.listen({
      hostname: LISTENING,
      peers: 1,
      spin,
      security: hostSecurity,
    });
    say("port", server.address.port);
    for await (const event of server) {
      if (event.type === "receive") event.peer.send(event.channelId, event.packet, flags);
      if (event.type === "disconnect") break;
    }
  },
  async manual({ flags, flush }) {
    await using server = await Host.listen({
      hostname: LISTENING,
      peers: 1,
      pump: false,
      security: hostSecurity,
    });
    say("port", server.address.port);
    for (;;) {
      const event = server.service(1000);
      if (event?.type === "disconnect") break;
      if (event?.type !== "receive") continue;
      event.peer.send(event.channelId, event.packet, flags);
      if (flush) server.flush();
    }
  },
};
