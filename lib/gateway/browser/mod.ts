/**
 * The browser's half of a gateway: connections of pages to ENet hosts. It depends on nothing but the web platform, and
 * comes as one module, `import { EnetSocket } from "@enetjs/enet/browser"`.
 *
 * @module
 */
export { type EnetEnd, EnetSocket } from "./socket.ts";
export { EnetSocketError, type EnetSocketErrorCode } from "./errors.ts";
export type { EnetConnectOptions, EnetSessionOptions } from "./options.ts";
export type { EnetRtcConfiguration } from "./rtc.ts";
export { type EnetMessage, EnetPacket } from "./packet.ts";
export { DisconnectCode } from "../../disconnect.ts";
export { PacketFlag } from "../../packet_flag.ts";
