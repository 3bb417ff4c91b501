/**
 * Channels through shared memory: to plugins in C, and between JavaScript threads.
 *
 * @example Both ends in one thread, as a Worker would have the other
 * ```ts
 * import { Channel } from "@enetjs/enet/channel";
 *
 * await using near = await Channel.open();
 * await using far = await Channel.join(near.remote!, {
 *   handlers: { receive: (view) => void far.send(view) },
 * });
 * near.send("ping");
 * for await (const bytes of near) {
 *   console.log(new TextDecoder().decode(bytes)); // ping
 *   break;
 * }
 * ```
 *
 * @module
 */
export { ENetError, type ENetErrorCode } from "../errors.ts";
export type { Data } from "../packet.ts";
export { type PluginInfo } from "./_plugin_link.ts";
export { type ChannelRemote } from "./_thread_link.ts";
export { Channel } from "./channel.ts";
export {
  type ChannelEndOptions,
  type ChannelHandlers,
  type ChannelOptions,
  type PluginOptions,
  type SendNowOptions,
} from "./options.ts";
