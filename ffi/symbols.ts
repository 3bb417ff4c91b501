/**
 * The native functions as data: one line per function of `native/include/enetjs.h`, where each is
 * documented. Every function returns a double.
 *
 * @module
 */
import type { NativeSignature, Runtime } from "./contract.ts";

/** How a parameter crosses the border. */
export type ParameterType = "f64" | "buffer";

/** Names and parameter types of native functions. */
export type SymbolTable = Readonly<Record<string, readonly ParameterType[]>>;

/** The functions of libenetjs. */
export const SYMBOLS = {
  // Library
  enetjs_abi_version: [],
  enetjs_libenet_version: [],
  enetjs_datagrams_batched: [],
  enetjs_sodium_version: ["buffer", "f64"], // out, capacity
  enetjs_layout: ["buffer", "f64"], // out, capacity
  enetjs_error_text: ["f64", "buffer", "f64"], // code, out, capacity
  enetjs_diagnostics: ["buffer", "f64"], // out, capacity
  enetjs_call: ["buffer", "f64"], // frame, bytes

  // Host
  enetjs_host_create: ["buffer", "f64", "buffer", "f64", "buffer", "f64"], // config, configBytes, shared, sharedBytes, arena, arenaBytes
  enetjs_host_set_arena: ["f64", "buffer", "f64"], // host, arena, arenaBytes
  enetjs_host_start: ["f64", "f64", "buffer", "f64"], // host, port, secret, secretBytes
  enetjs_host_shutdown: ["f64", "f64"], // host, data
  enetjs_host_close: ["f64"], // host
  enetjs_host_service: ["f64", "f64"], // host, timeoutMs
  enetjs_host_attend: ["f64"], // host
  enetjs_host_flush: ["f64"], // host
  enetjs_host_push: ["f64"], // host
  enetjs_host_connect: ["f64", "f64", "f64", "f64", "f64"], // host, address, port, channels, data
  enetjs_host_connect_secured: ["f64", "f64", "f64", "f64", "f64", "buffer", "f64"], // host, address, port, channels, data, security, bytes
  enetjs_host_set_security: ["f64", "buffer", "f64"], // host, security, bytes
  enetjs_host_broadcast: ["f64", "f64", "f64", "f64", "f64", "buffer", "f64", "f64"], // host, channel, flags, offset, length, peers, bytes, mode
  enetjs_host_broadcast_buffer: ["f64", "f64", "f64", "buffer", "f64", "buffer", "f64", "f64"], // host, channel, flags, data, length, peers, bytes, mode
  enetjs_host_broadcast_packet: ["f64", "f64", "f64", "f64", "buffer", "f64", "f64"], // host, channel, flags, packet, peers, bytes, mode
  enetjs_host_set: ["f64", "f64", "f64", "f64"], // host, option, value, second
  enetjs_host_set_filter: ["f64", "buffer", "f64"], // host, rules, bytes
  enetjs_host_answer: ["f64", "f64", "f64"], // host, question, verdict
  enetjs_host_set_limits: ["f64", "buffer", "f64", "f64"], // host, limits, bytes, disconnects
  enetjs_host_send_datagram: ["f64", "f64", "f64", "f64", "f64"], // host, address, port, offset, length
  enetjs_host_address: ["f64"], // host
  enetjs_host_reaches: ["f64"], // host
  enetjs_interface_number: ["buffer", "f64"], // name, bytes
  enetjs_interface_name: ["f64", "buffer", "f64"], // number, out, capacity
  enetjs_host_stats: ["f64"], // host

  // Simulated network
  enetjs_host_set_conditions: ["f64", "buffer", "f64", "f64"], // host, links, bytes, seed
  enetjs_host_blackout: ["f64", "f64"], // host, ms
  enetjs_host_fates: ["f64", "buffer", "f64"], // host, out, bytes

  // Captures
  enetjs_host_capture: ["f64", "buffer", "f64", "f64", "f64", "f64"], // host, path, pathBytes, plain, maximumBytes, files
  enetjs_host_end_capture: ["f64", "f64"], // host, capture
  enetjs_capture_state: ["f64", "buffer", "f64"], // capture, out, bytes

  // Peer
  enetjs_peer_send: ["f64", "f64", "f64", "f64", "f64", "f64", "f64"], // host, peer, channel, flags, offset, length, token
  enetjs_peer_send_buffer: ["f64", "f64", "f64", "f64", "buffer", "f64", "f64"], // …, data, length, token
  enetjs_peer_send_packet: ["f64", "f64", "f64", "f64", "f64", "f64"], // …, packet, token
  enetjs_peer_disconnect: ["f64", "f64", "f64", "f64"], // host, peer, data, mode
  enetjs_peer_reset: ["f64", "f64"], // host, peer
  enetjs_peer_ping: ["f64", "f64"], // host, peer
  enetjs_peer_set: ["f64", "f64", "f64", "f64", "f64", "f64"], // host, peer, option, a, b, c
  enetjs_question_security: ["f64", "f64", "buffer", "f64"], // host, question, out, capacity
  enetjs_peer_state: ["f64", "f64"], // host, peer
  enetjs_peer_stats: ["f64", "f64"], // host, peer

  // Packet
  enetjs_packet_create: ["f64"], // length
  enetjs_packet_share: ["buffer", "f64"], // data, length
  enetjs_packet_write: ["f64", "buffer", "f64"], // packet, data, length
  enetjs_packet_keep: ["f64", "f64"], // packet, counted
  enetjs_packet_address: ["f64"], // packet
  enetjs_packet_references: ["f64"], // packet
  enetjs_packet_read: ["f64", "buffer", "f64"], // packet, out, length
  enetjs_packet_release: ["f64"], // packet

  // Channel
  enetjs_channel_open: ["buffer", "f64", "buffer", "f64", "f64", "f64", "f64"], // path, pathBytes, configuration, configurationBytes, sendBytes, receiveBytes, updateIntervalMs
  enetjs_channel_start: ["f64", "f64", "buffer", "f64"], // channel, port, secret, secretBytes
  enetjs_channel_address: ["f64"], // channel
  enetjs_channel_notify: ["f64"], // channel
  enetjs_channel_state: ["f64"], // channel
  enetjs_channel_text: ["f64", "f64", "buffer", "f64"], // channel, which, out, capacity
  enetjs_channel_close: ["f64", "f64"], // channel, keepMemory

  // Watch
  enetjs_watch_open: ["f64", "f64", "buffer", "f64"], // fd, port, secret, secretBytes
  enetjs_watch_descriptor: ["f64"], // watch
  enetjs_watch_arm: ["f64", "f64"], // watch, wanted
  enetjs_watch_ready: ["f64"], // watch
  enetjs_watch_close: ["f64"], // watch

  // Shared port
  enetjs_port_open: ["buffer", "f64", "f64", "buffer", "f64"], // config, configBytes, sockets, out, outBytes
  enetjs_port_workers: ["f64"], // port
  enetjs_port_close: ["f64"], // port

  // Link
  enetjs_link_open: ["buffer", "f64", "f64"], // link, bytes, seed
  enetjs_link_enter: ["f64", "f64", "buffer", "f64"], // link, direction, data, length
  enetjs_link_take: ["f64", "f64", "buffer", "f64"], // link, direction, out, capacity
  enetjs_link_wait: ["f64"], // link
  enetjs_link_fates: ["f64", "buffer", "f64"], // link, out, bytes
  enetjs_link_close: ["f64"], // link
} as const satisfies SymbolTable;

/** A native function of a table entry. */
export type NativeFunction<P extends readonly ParameterType[]> = (
  ...values: { -readonly [K in keyof P]: P[K] extends "buffer" ? Uint8Array : number }
) => number;

/** The callable functions of a table. */
export type NativeFunctions<T extends SymbolTable> = {
  readonly [K in keyof T]: NativeFunction<T[K]>;
};

/** The callable functions of libenetjs. */
export type Native = NativeFunctions<typeof SYMBOLS>;

/**
 * Opens functions that return doubles, without the checks of the public module: those who call them
 * make sure of their arguments.
 */
export function openNative<T extends SymbolTable>(
  runtime: Runtime,
  path: string,
  table: T,
): NativeFunctions<T> {
  const signatures = Object.entries(table).map(([name, parameters]) =>
    [name, { parameters, result: "f64" } satisfies NativeSignature] as const
  );
  return runtime.open(path, Object.fromEntries(signatures)).functions as NativeFunctions<T>;
}
