import { CONFIG, LAYOUT } from "../ffi/layout.ts";
import { boolean, integer, oneOf, options, U32 } from "./internal/validate.ts";
import { TURN_BUDGET_MS, validateTurnBudget } from "./internal/turn.ts";
import { type Accept, validateAccept } from "./admission.ts";
import { type AddressFilter, compileFilter, validateHostname } from "./address.ts";
import { type Conditions, type ConditionsPlan, planConditions } from "./conditions.ts";
import type { MemorySizes } from "./internal/memory.ts";
import { type Limits, planLimits, type ResolvedLimits } from "./limits.ts";

/** Options of `Host.create`. */
export interface HostOptions {
  /** Most peers at once, 1–4095. Default 8 for `create`, 64 for `listen`. */
  peers?: number;
  /** Most channels of a connection that others open, 1–255. Default 255. */
  channels?: number;
  /** Downstream bandwidth in bytes per second, 0 for unlimited. Default 0. */
  incomingBandwidth?: number;
  /** Upstream bandwidth in bytes per second, 0 for unlimited. Default 0. */
  outgoingBandwidth?: number;
  /** Compression of datagrams; both sides must have the same. Default `"none"`. */
  compression?: "none" | "range-coder";
  /**
   * Checksum of datagrams; both sides must have the same. `"crc32"` depends on the connect id, 32 random bits
   * of each connection. So an attacker that cannot read its datagrams cannot forge one, such as a disconnect,
   * from a peer's address. It is no encryption. Default `"none"`.
   */
  checksum?: "none" | "crc32";
  /**
   * Largest datagram in bytes, 576–4096, of connections that this host opens; the other side uses the same.
   * Default 1400.
   */
  mtu?: number;
  /** Most peers of one IPv4 address, 1–4095. Default 4095. */
  duplicatePeers?: number;
  /** Largest packet that is sent or received, in bytes. Default 33,554,432 (32 MiB). */
  maximumPacketSize?: number;
  /**
   * Received bytes of one peer that may wait in native memory for the program, with 64 more for every
   * message. Above it nothing more is acknowledged, and the other side's queue grows. All the native memory
   * of a connection stays below `maximumWaitingData` + `maximumPacketSize` + 1 MiB, whatever its peer sends.
   * Messages that an ended connection has left waiting count towards the next connections of its address.
   * Default 33,554,432 (32 MiB).
   */
  maximumWaitingData?: number;
  /**
   * Bytes for what all peers have sent: messages, events and datagrams that wait, in native memory and in
   * JavaScript, and packets that are lent to the program. What the program keeps itself does not count. When half of it is in use, the host refuses data of a peer that has
   * used its equal share of the last quarter, so that one cannot starve the others. The third quarter is for
   * messages that have begun to arrive; only the parts that have arrived count. At the limit the host refuses
   * all data and new connections. At least the sum of `maximumWaitingData` and `maximumPacketSize`, or 0.
   * Default 0, which stands for 268,435,456 (256 MiB), or for twice that sum where that is more;
   * `host.maximumHostData` is then this number.
   */
  maximumHostData?: number;
  /** The socket's receive buffer (`SO_RCVBUF`) in bytes. Default 262,144, ENet's. */
  receiveBufferSize?: number;
  /** The socket's send buffer (`SO_SNDBUF`) in bytes. Default 262,144, ENet's. */
  sendBufferSize?: number;
  /**
   * Whether a native thread waits for the socket and wakes this one. Without it, only `host.service()`
   * receives and sends, for programs that own their tick. Default true.
   */
  pump?: boolean;
  /**
   * Milliseconds of silence of this thread, 1–60000, after which the pump acknowledges and pings
   * in its place. Default 10.
   */
  stallLimitMs?: number;
  /**
   * Whether this thread stays awake for the next message, which then comes without the delay of a wake-up;
   * the event loop goes on meanwhile. `"auto"` stays awake for 100 µs, as long as the messages of one peer
   * follow each other that closely. `"always"` stays awake for 1 ms after every event. Default `"auto"`.
   */
  spin?: "never" | "auto" | "always";
  /**
   * Milliseconds, 1–60000, for which messages are handed to the program before timers and sockets get
   * their turn of the event loop. All hosts and channels of a thread share them: a flood on one host
   * delays a timer by about that long. A call of `service()` gives handlers messages for as long, and
   * leaves the others for the next call. Default 5.
   */
  turnBudgetMs?: number;
  /**
   * Bytes queued to one peer above which `send` returns false, until no more than half of them are.
   * Default 262,144 (256 KiB), four of ENet's windows; more does not make it faster.
   */
  highWaterMark?: number;
  /**
   * Whether datagrams that are not ENet's are reported; empty ones and those of more than 4096 bytes
   * never are. Default false.
   */
  datagrams?: boolean;
  /** Which addresses may talk to the host. Default all. */
  filter?: AddressFilter;
  /**
   * How much may come from an address and from a peer. Default 1024 connections a second for each
   * address, with a burst of 4096, and nothing else; see {@linkcode Limits}.
   */
  limits?: Limits;
  /**
   * A simulated network for tests: latency, jitter, loss and more, between this host and its socket; see
   * {@linkcode Conditions}. Default `null`, none, which costs nothing.
   */
  conditions?: Conditions | null;
  /** Events that wait between native code and this thread, a power of two, 16–1,048,576. Default 4096. */
  eventCapacity?: number;
  /** Bytes of small payloads that wait there, a power of two, 4096–268,435,456. Default 1,048,576. */
  arenaSize?: number;
}

/** Options of `Host.listen`. */
export interface ListenOptions extends HostOptions {
  /** The port, 0 for any free one. Default 0. */
  port?: number;
  /**
   * Decides which clients may connect, before a client has an answer and before it takes a peer. A client
   * that is refused gets `ENETJS_ERR_REFUSED` with the number in `error.data`, or on ENet in C a disconnect
   * event with it. See docs/connecting.md. Default: all may.
   */
  accept?: Accept;
  /** The local address or name to bind. Default `"0.0.0.0"`, every interface. */
  hostname?: string;
  /**
   * Whether to listen even where nothing protects the host. libenet's calls do not reach this library when
   * the process had loaded libenet before, and on systems other than Linux. Without protection, strangers can
   * use up memory and peers, and setting the system's clock ends connections. By default listening then fails
   * with `ENETJS_ERR_UNGUARDED`. Where the protection works, this changes nothing. Default false.
   */
  unguarded?: boolean;
}

/** The settings that are one number for native code each. */
export type NativeSettings = Required<
  Omit<
    HostOptions,
    | "peers"
    | "incomingBandwidth"
    | "outgoingBandwidth"
    | "pump"
    | "turnBudgetMs"
    | "filter"
    | "limits"
    | "conditions"
    | "eventCapacity"
    | "arenaSize"
  >
>;

/** How a setting is checked and which native option it is. */
interface Setting<T> {
  readonly option: number;
  readonly initial: T;
  /** Checks a value; returns what native code takes. */
  encode(value: unknown, name: string): number;
}

const MAXIMUM_SIZE = 2 ** 31 - 1;
const MEBIBYTE = 2 ** 20;

const integerSetting = (option: number, initial: number, low: number, high: number) => ({
  option,
  initial,
  encode: (value: unknown, name: string) => integer(value, name, low, high),
});

/** The initial value is the first choice, if no other is given. */
const choiceSetting = <T extends string>(option: number, choices: readonly T[], initial?: T) => ({
  option,
  initial: initial ?? choices[0],
  encode: (value: unknown, name: string) => choices.indexOf(oneOf(value, name, choices)),
});

/** Every setting of {@linkcode NativeSettings}. */
export const SETTINGS: { readonly [K in keyof NativeSettings]: Setting<NativeSettings[K]> } = {
  channels: integerSetting(
    CONFIG.CHANNELS,
    LAYOUT.MAXIMUM_CHANNELS,
    1,
    LAYOUT.MAXIMUM_CHANNELS,
  ),
  compression: choiceSetting(CONFIG.COMPRESSION, ["none", "range-coder"]),
  checksum: choiceSetting(CONFIG.CHECKSUM, ["none", "crc32"]),
  mtu: integerSetting(CONFIG.MTU, 1400, LAYOUT.MINIMUM_MTU, LAYOUT.MAXIMUM_MTU),
  duplicatePeers: integerSetting(
    CONFIG.DUPLICATE_PEERS,
    LAYOUT.MAXIMUM_PEERS,
    1,
    LAYOUT.MAXIMUM_PEERS,
  ),
  maximumPacketSize: integerSetting(CONFIG.MAXIMUM_PACKET_SIZE, 32 * MEBIBYTE, 1, MAXIMUM_SIZE),
  maximumWaitingData: integerSetting(CONFIG.MAXIMUM_WAITING_DATA, 32 * MEBIBYTE, 1, MAXIMUM_SIZE),
  maximumHostData: integerSetting(CONFIG.MAXIMUM_HOST_DATA, 0, 0, U32),
  receiveBufferSize: integerSetting(CONFIG.RECEIVE_BUFFER, 256 * 1024, 1024, MAXIMUM_SIZE),
  sendBufferSize: integerSetting(CONFIG.SEND_BUFFER, 256 * 1024, 1024, MAXIMUM_SIZE),
  stallLimitMs: integerSetting(CONFIG.STALL_LIMIT, 10, 1, 60_000),
  spin: choiceSetting(CONFIG.SPIN, ["never", "auto", "always"], "auto"),
  highWaterMark: integerSetting(CONFIG.HIGH_WATER, 256 * 1024, 0, MAXIMUM_SIZE),
  datagrams: {
    option: CONFIG.DATAGRAMS,
    initial: false,
    encode: (value, name) => Number(boolean(value, name)),
  },
};

/** What bounds memory. */
type MemorySettings = Pick<
  NativeSettings,
  "maximumHostData" | "maximumWaitingData" | "maximumPacketSize"
>;

/** Refuses a maximum for the whole host that does not hold what one connection may take. */
export function checkHostData(
  { maximumHostData, maximumWaitingData, maximumPacketSize }: MemorySettings,
): void {
  const least = maximumWaitingData + maximumPacketSize;
  if (maximumHostData === 0 || maximumHostData >= least) return;
  throw new RangeError(
    `maximumHostData (${maximumHostData}) must be at least maximumWaitingData (${maximumWaitingData}) ` +
      `+ maximumPacketSize (${maximumPacketSize}): raise it to ${least}, lower the other two, ` +
      "or make it 0 for the default",
  );
}

/** The bytes that `maximumHostData` stands for. */
export function effectiveHostData(
  { maximumHostData, maximumWaitingData, maximumPacketSize }: MemorySettings,
): number {
  const automatic = Math.max(
    LAYOUT.HOST_DATA_MINIMUM,
    2 * (maximumWaitingData + maximumPacketSize),
  );
  return maximumHostData === 0 ? automatic : maximumHostData;
}

const OTHER_OPTIONS = [
  "peers",
  "incomingBandwidth",
  "outgoingBandwidth",
  "pump",
  "turnBudgetMs",
  "filter",
  "limits",
  "conditions",
  "eventCapacity",
  "arenaSize",
];

const LISTEN_OPTIONS = ["port", "hostname", "unguarded", "accept"];

/** Checked options. */
export interface HostPlan {
  /** Configuration for `enetjs_host_create`; the address is still to be filled in. */
  readonly config: Float64Array<ArrayBuffer>;
  readonly sizes: MemorySizes;
  readonly settings: NativeSettings;
  readonly pump: boolean;
  readonly turnBudgetMs: number;
  readonly incomingBandwidth: number;
  readonly outgoingBandwidth: number;
  readonly filter: AddressFilter;
  readonly limits: ResolvedLimits;
  readonly conditions: ConditionsPlan | null;
  readonly accept: Accept | undefined;
  /** What to bind, or undefined for a host that only connects. */
  readonly bind: { readonly hostname: string; readonly port: number } | undefined;
}

function powerOfTwo(value: unknown, name: string, low: number, high: number): number {
  const number = integer(value, name, low, high);
  if ((number & (number - 1)) !== 0) {
    throw new RangeError(`${name} must be a power of two, not ${number}`);
  }
  return number;
}

/** What a host can have functions for. */
export const HANDLERS: readonly string[] = [
  "connect",
  "disconnect",
  "receive",
  "datagram",
  "error",
];

/** Refuses what belongs elsewhere: handlers, and on a host that only connects what only listening takes. */
function refuseMisplaced(given: unknown, listening: boolean): void {
  if (typeof given !== "object" || given === null) return;
  const maker = listening ? "Host.listen" : "Host.create";
  for (const key of Object.keys(given)) {
    if (HANDLERS.includes(key)) {
      throw new TypeError(
        `options has no option "${key}": handlers are the second argument, as in ` +
          `${maker}({}, { ${key}() {} })`,
      );
    }
    if (!listening && LISTEN_OPTIONS.includes(key)) {
      throw new TypeError(
        `options has no option "${key}" in Host.create, whose host only connects: use Host.listen`,
      );
    }
  }
}

/** Checks the options of `create` (or with `listening`, of `listen`). */
export function planHost(given: unknown, listening: boolean): HostPlan {
  const known = [...Object.keys(SETTINGS), ...OTHER_OPTIONS];
  refuseMisplaced(given, listening);
  options(given, "options", listening ? [...LISTEN_OPTIONS, ...known] : known);
  const {
    port = 0,
    hostname = "0.0.0.0",
    unguarded = false,
    accept,
    peers = listening ? 64 : 8,
    incomingBandwidth = 0,
    outgoingBandwidth = 0,
    pump = true,
    turnBudgetMs = TURN_BUDGET_MS,
    filter = {},
    limits = {},
    conditions = null,
    eventCapacity = 4096,
    arenaSize = MEBIBYTE,
  } = given as ListenOptions;
  const config = new Float64Array(LAYOUT.CONFIG_COUNT);
  const settings: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const { [name as keyof NativeSettings]: value = setting.initial } = given as NativeSettings;
    config[setting.option] = setting.encode(value, name);
    settings[name] = value;
  }
  checkHostData(settings as unknown as NativeSettings);
  const sizes: MemorySizes = {
    events: powerOfTwo(eventCapacity, "eventCapacity", 16, MEBIBYTE),
    completions: 1024,
    arena: powerOfTwo(arenaSize, "arenaSize", 4096, 256 * MEBIBYTE),
    scratch: 64 * 1024,
    outbox: 32 * 1024,
  };
  compileFilter(filter);
  config[CONFIG.PEERS] = integer(peers, "peers", 1, LAYOUT.MAXIMUM_PEERS);
  config[CONFIG.INCOMING_BANDWIDTH] = integer(incomingBandwidth, "incomingBandwidth", 0, U32);
  config[CONFIG.OUTGOING_BANDWIDTH] = integer(outgoingBandwidth, "outgoingBandwidth", 0, U32);
  config[CONFIG.PUMP] = Number(boolean(pump, "pump"));
  config[CONFIG.ACCEPT] = Number(validateAccept(accept) !== undefined);
  config[CONFIG.UNGUARDED] = Number(boolean(unguarded, "unguarded"));
  config[CONFIG.EVENT_CAPACITY] = sizes.events;
  config[CONFIG.COMPLETION_CAPACITY] = sizes.completions;
  config[CONFIG.ARENA_BYTES] = sizes.arena;
  config[CONFIG.SCRATCH_BYTES] = sizes.outbox + sizes.scratch;
  return {
    config,
    sizes,
    settings: settings as unknown as NativeSettings,
    pump,
    turnBudgetMs: validateTurnBudget(turnBudgetMs),
    incomingBandwidth,
    outgoingBandwidth,
    filter,
    limits: planLimits(limits),
    conditions: planConditions(conditions),
    accept,
    bind: listening
      ? {
        hostname: validateHostname(hostname, "hostname"),
        port: integer(port, "port", 0, 65535),
      }
      : undefined,
  };
}
