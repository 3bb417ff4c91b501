import { validateFlags } from "../internal/flags.ts";
import { SETTING_NAMES, SETTINGS } from "../internal/settings.ts";
import { abortSignal, boolean, integer, options, show } from "../internal/validate.ts";
import { PacketFlag } from "../packet_flag.ts";
import { checkKeys } from "./keys.ts";
import type {
  MessengerConnectOptions,
  MessengerHostOptions,
  MessengerListenHostOptions,
  MessengerListenOptions,
  TlsConnectOptions,
  TlsListenOptions,
} from "./messenger_options.ts";
import type { Codec, GetOptions, Protocol, SendOptions } from "./types.ts";

/** The longest time of a timer. */
const MAXIMUM_MS = 2 ** 31 - 1;
const HOUR_MS = 3_600_000;
const MAXIMUM_BYTES = 2 ** 31 - 1;

/** The most that `maximumMessageSize` may be. ENet numbers fragments such that 28,672 may be under way. */
const LARGEST: Readonly<Record<Protocol, number>> = { udp: 2 ** 25, tcp: 2 ** 30 };

/** What may be given as handlers; `ready` belongs to a listener, which may share the object with a connection. */
export const HANDLERS = ["ready", "message", "request", "closed"];

/** Silence after which a connection is lost. */
const LOST_MS: Readonly<Record<Protocol, number>> = { udp: 5000, tcp: 30_000 };

/** Checked options that both sides have. */
export interface LinkPlan {
  readonly heartbeatMs: number;
  readonly lostMs: number;
  readonly closeGraceMs: number;
  readonly getTimeoutMs: number;
  readonly handshakeMs: number;
  readonly maximumMessageSize: number;
  readonly maximumRequests: number;
  readonly highWaterMark: number;
  readonly maximumQueuedBytes: number;
  readonly maximumWaitingData: number;
  readonly codec: Codec | undefined;
  /** For ENet on udp; checked when the host is made, except for the names. */
  readonly host: MessengerHostOptions | undefined;
}

/** Checked options of `Messenger.listen`. */
export interface ListenPlan extends LinkPlan {
  readonly connections: number;
  readonly host: MessengerListenHostOptions | undefined;
  readonly tls: TlsListenOptions | undefined;
}

/** Checked options of `Messenger.connect`. */
export interface ConnectPlan extends LinkPlan {
  readonly signal: AbortSignal | undefined;
  readonly context: unknown;
  readonly tls: TlsConnectOptions | undefined;
}

const SHARED_OPTIONS = [
  "heartbeatMs",
  "lostMs",
  "closeGraceMs",
  "getTimeoutMs",
  "maximumMessageSize",
  "maximumRequests",
  "highWaterMark",
  "maximumQueuedBytes",
  "maximumWaitingData",
  "codec",
  "tls",
  "host",
];

/** What messaging sets itself. */
const OWN_SETTINGS: readonly string[] = [
  "channels",
  "datagrams",
  "highWaterMark",
  "hostname",
  "maximumPacketSize",
  "peers",
  "port",
  "pump",
];

const LISTEN_SETTINGS = SETTING_NAMES.filter((name) => !OWN_SETTINGS.includes(name));
const CONNECT_SETTINGS = LISTEN_SETTINGS.filter((name) => {
  return name !== "duplicatePeers" && !SETTINGS[name].listens;
});

function planLink(
  given: MessengerListenOptions | MessengerConnectOptions,
  protocol: Protocol,
  handshakeMs: number,
  settings: readonly string[],
): LinkPlan {
  const {
    heartbeatMs = 1000,
    lostMs = LOST_MS[protocol],
    closeGraceMs = 1000,
    getTimeoutMs = 5000,
    maximumMessageSize = 2 ** 24,
    maximumRequests = 4096,
    highWaterMark = 2 ** 18,
    maximumQueuedBytes = Math.max(2 ** 26, highWaterMark),
    maximumWaitingData = 2 ** 20,
    codec,
  } = given;
  integer(heartbeatMs, "heartbeatMs", 10, HOUR_MS);
  return {
    heartbeatMs,
    lostMs: integer(lostMs, "lostMs", 2 * heartbeatMs, MAXIMUM_MS),
    closeGraceMs: integer(closeGraceMs, "closeGraceMs", 0, MAXIMUM_MS),
    getTimeoutMs: integer(getTimeoutMs, "getTimeoutMs", 0, MAXIMUM_MS),
    handshakeMs,
    maximumMessageSize: integer(maximumMessageSize, "maximumMessageSize", 0, LARGEST[protocol]),
    maximumRequests: integer(maximumRequests, "maximumRequests", 1, 2 ** 24),
    highWaterMark: integer(highWaterMark, "highWaterMark", 0, MAXIMUM_BYTES),
    maximumQueuedBytes: integer(
      maximumQueuedBytes,
      "maximumQueuedBytes",
      highWaterMark,
      MAXIMUM_BYTES,
    ),
    maximumWaitingData: integer(maximumWaitingData, "maximumWaitingData", 1, MAXIMUM_BYTES),
    codec: checkCodec(codec),
    host: checkHost(given.host, protocol, settings),
  };
}

function checkCodec(codec: unknown): Codec | undefined {
  if (codec === undefined) return undefined;
  const { encode, decode } = (codec ?? {}) as Partial<Codec>;
  if (typeof encode !== "function" || typeof decode !== "function") {
    throw new TypeError(`codec must be an object { encode, decode }, not ${show(codec)}`);
  }
  return codec as Codec;
}

/** Refuses options that do not exist; handlers in their place are a mistake that is easily made. */
function checkOptions(given: unknown, own: readonly string[]): void {
  const handler = HANDLERS.find((name) => Object.hasOwn(Object(given), name));
  if (handler !== undefined) {
    throw new TypeError(
      `options has the handler "${handler}": handlers are the third argument, after the options`,
    );
  }
  options(given, "options", [...own, ...SHARED_OPTIONS]);
}

function checkHost(
  host: MessengerListenHostOptions | undefined,
  protocol: Protocol,
  settings: readonly string[],
): MessengerListenHostOptions | undefined {
  if (host === undefined) return undefined;
  options(host, "host", settings);
  if (protocol !== "udp") throw new TypeError("host sets up ENet, and the address is of tcp");
  return host;
}

function checkTls<Options extends object>(
  tls: unknown,
  protocol: Protocol,
  required: readonly string[],
  optional: readonly string[],
): Options | undefined {
  if (tls === undefined) return undefined;
  options(tls, "tls", [...required, ...optional]);
  for (const [name, value] of Object.entries(tls as object)) {
    if (value !== undefined && typeof value !== "string") {
      throw new TypeError(`tls.${name} must be a string, not ${show(value)}`);
    }
  }
  for (const name of required) {
    if (!(tls as Record<string, unknown>)[name]) throw new TypeError(`tls.${name} is missing`);
  }
  if (protocol !== "tcp") throw new TypeError("tls encrypts tcp only, and the address is of udp");
  checkKeys(tls as TlsListenOptions);
  return tls as Options;
}

/** Checks the options of `Messenger.listen`. */
export function planListen(given: unknown, protocol: Protocol): ListenPlan {
  checkOptions(given, ["connections", "handshakeMs"]);
  const { connections = 64, handshakeMs = 5000, tls } = given as MessengerListenOptions;
  integer(handshakeMs, "handshakeMs", 1, MAXIMUM_MS);
  return {
    ...planLink(given as MessengerListenOptions, protocol, handshakeMs, LISTEN_SETTINGS),
    connections: integer(connections, "connections", 1, 4095),
    tls: checkTls<TlsListenOptions>(tls, protocol, ["cert", "key"], ["ca"]),
  };
}

/** Checks the options of `Messenger.connect`. */
export function planConnect(given: unknown, protocol: Protocol): ConnectPlan {
  checkOptions(given, ["timeoutMs", "signal", "context"]);
  const { timeoutMs = 5000, signal, context, tls } = given as MessengerConnectOptions;
  integer(timeoutMs, "timeoutMs", 1, MAXIMUM_MS);
  return {
    ...planLink(given as MessengerConnectOptions, protocol, timeoutMs, CONNECT_SETTINGS),
    signal: abortSignal(signal),
    context,
    tls: checkTls<TlsConnectOptions>(
      tls === true ? {} : tls,
      protocol,
      [],
      ["ca", "serverName", "cert", "key"],
    ),
  };
}

/** Checked options of a `get`. */
export interface GetPlan {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly idempotent: boolean;
}

/** Checks the options of a `get`. */
export function planGet(given: GetOptions, getTimeoutMs: number): GetPlan {
  options(given, "options", ["timeoutMs", "signal", "idempotent"]);
  const { timeoutMs = getTimeoutMs, signal, idempotent = false } = given;
  return {
    timeoutMs: integer(timeoutMs, "timeoutMs", 0, MAXIMUM_MS),
    signal: abortSignal(signal),
    idempotent: boolean(idempotent, "idempotent"),
  };
}

/** How a message is sent. */
export function flagsOf({ flags = PacketFlag.RELIABLE }: SendOptions): PacketFlag {
  return validateFlags(flags);
}
