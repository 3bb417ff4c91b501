/**
 * The options of `enet gateway`.
 *
 * @module
 */
import type { OptionTable, OptionValues } from "../frame/options.ts";

/** The longest time of a timer, in seconds. */
const MAXIMUM_S = 2_147_483;

/** The options of the command itself. */
export const GATEWAY_OPTIONS = {
  port: {
    kind: "integer",
    short: "p",
    value: "N",
    minimum: 0,
    maximum: 65_535,
    initial: 7890,
    help: "listen on this port; 0 takes a free one",
  },
  addr: {
    kind: "text",
    value: "A",
    initial: "0.0.0.0",
    help: "listen on this address",
  },
  "unix-socket": {
    kind: "text",
    value: "PATH",
    help: "listen on a Unix socket instead; it is removed at the end",
  },
  "ssl-cert": {
    kind: "text",
    value: "FILE",
    help: "certificate chain in PEM, for wss://, TLS 1.2 or newer; read again on SIGHUP",
  },
  "ssl-key": {
    kind: "text",
    value: "FILE",
    help: "private key of the certificate in PEM; read again on SIGHUP",
  },
  path: {
    kind: "text",
    value: "PATH",
    told: "every path",
    help: "serve this path only, and answer others with 404",
  },
  origin: {
    kind: "list",
    value: "O",
    told: "every origin",
    help: "let this origin connect, and answer others with 403",
  },
  proxy: {
    kind: "list",
    value: "A",
    told: "none",
    help: "believe X-Forwarded-For of this proxy: an IP address, a prefix, or unix",
  },
  protocol: {
    kind: "list",
    value: "P",
    told: "none",
    help: "speak this subprotocol; a client that offers none of them gets 400",
  },
  to: {
    kind: "text",
    value: "H:PORT",
    help: "let browsers reach this ENet server, in place of pipes",
  },
  compress: {
    kind: "flag",
    help: "with --to, for a server that uses ENet's range coder",
  },
  checksum: {
    kind: "flag",
    help: "with --to, for a server that uses ENet's CRC32 checksum",
  },
  webrtc: {
    kind: "flag",
    help: "with --to, let unreliable messages travel over WebRTC; needs node-datachannel",
  },
  "webrtc-ports": {
    kind: "text",
    value: "A-B",
    told: "any",
    help: "with --webrtc, the first and the last UDP port",
  },
  "webrtc-address": {
    kind: "list",
    value: "IP",
    told: "where the WebSocket arrived",
    help: "with --webrtc, an IP address that browsers send UDP to",
  },
  std: {
    kind: "flag",
    help: "use standard input and output in place of both pipes",
  },
  stdin: {
    kind: "flag",
    help: "use standard input in place of the pipe that is read",
  },
  stdout: {
    kind: "flag",
    help: "use standard output in place of the pipe that is written",
  },
  pipein: {
    kind: "text",
    value: "PATH",
    initial: "/tmp/wspipein.fifo",
    help: "named pipe that is read: what the program writes goes to the clients",
  },
  pipeout: {
    kind: "text",
    value: "PATH",
    initial: "/tmp/wspipeout.fifo",
    help: "named pipe that is written: what clients send goes to the program",
  },
  strict: {
    kind: "flag",
    help: "use headers with the client's id, the type and the length both ways",
  },
  frame: {
    kind: "choice",
    choices: ["read", "line"],
    initial: "read",
    value: "UNIT",
    help: "in plain mode, what a message of the program is",
  },
  "echo-mode": {
    kind: "flag",
    help: "give each message back to its sender, and tell the program nothing",
  },
  "max-frame-size": {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 2 ** 30,
    initial: 1_048_576,
    help: "largest frame of a client and largest message of the program, in bytes",
  },
  "max-message-size": {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 2 ** 30,
    told: "--max-frame-size",
    help: "largest message of a client over all its frames, in bytes",
  },
  "max-clients": {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 1_000_000,
    initial: 1024,
    help: "clients at the same time; further ones get 503",
  },
  "handshake-timeout": {
    kind: "seconds",
    value: "S",
    minimum: 0.001,
    maximum: MAXIMUM_S,
    initial: 10,
    help: "seconds for a handshake, then 408",
  },
  "idle-timeout": {
    kind: "seconds",
    value: "S",
    minimum: 0,
    maximum: MAXIMUM_S,
    initial: 0,
    help: "close a client that sends nothing for so many seconds; 0: never",
  },
  "ping-interval": {
    kind: "seconds",
    value: "S",
    minimum: 0,
    maximum: MAXIMUM_S,
    initial: 30,
    help: "ping clients every so many seconds, and end those that do not answer; 0: never",
  },
  "queue-limit": {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 2 ** 31,
    initial: 1_048_576,
    help: "bytes that may wait for a client, and for the program",
  },
  slow: {
    kind: "choice",
    choices: ["drop", "close", "wait"],
    initial: "drop",
    value: "POLICY",
    help: "what happens when a queue is full",
  },
  "access-log": {
    kind: "text",
    value: "FILE",
    help: "append a line for each client to this file; opened anew on SIGUSR1",
  },
  metrics: {
    kind: "text",
    value: "[A:]PORT",
    help: "serve counters for Prometheus at http://A:PORT/metrics; A is 127.0.0.1 unless given",
  },
} as const satisfies OptionTable;

/** The values of the options. */
export type GatewayValues = OptionValues<typeof GATEWAY_OPTIONS>;

/** Those that have no meaning with `--to`. */
export const PIPE_OPTIONS = [
  "protocol",
  "std",
  "stdin",
  "stdout",
  "pipein",
  "pipeout",
  "strict",
  "frame",
  "echo-mode",
  "max-frame-size",
  "max-message-size",
  "idle-timeout",
  "ping-interval",
  "queue-limit",
  "slow",
] as const satisfies (keyof typeof GATEWAY_OPTIONS)[];
