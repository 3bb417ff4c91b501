/**
 * Every option of a host, in one table: its native number, its default, its check, and whether it can be changed
 * while the host is open. Options are checked by it, the properties of `Host` are made from it, and
 * `docs/settings.md` is compared with it.
 *
 * @module
 */
import { CONFIG, LAYOUT } from "../../ffi/layout.ts";
import { validateHostname } from "../address.ts";
import { planFilter } from "../address_filter.ts";
import { validateAccept } from "../admission.ts";
import { planHostSecurity, type SecurityPlan } from "../encryption.ts";
import { planLimits } from "../limits.ts";
import type { ListenOptions } from "../options.ts";
import type { HostSettings } from "../settings.ts";
import { planConditions } from "./conditions_plan.ts";
import { validatePortName } from "./port_name.ts";
import { TURN_BUDGET_MS, validateTurnBudget } from "./turn.ts";
import { boolean, integer, oneOf, U32 } from "./validate.ts";

/** One option. */
export interface Setting<Value> {
  /** What it is by default. */
  readonly initial: Value;
  /** The same in `Host.create`, where that differs. */
  readonly initialForCreate?: Value;
  /** Checks a value and puts defaults where parts of it are missing. */
  readonly check: (value: unknown, name: string) => Value;
  /** Which native option it is; undefined for what native code has no number for. */
  readonly option?: number;
  /** The number that native code takes for a value. */
  readonly encode?: (value: Value) => number;
  /** Whether it is a property of `Host`. */
  readonly live: boolean;
  /** Whether only `Host.listen` takes it. */
  readonly listens?: true;
}

/** All options with their values; of a host that only connects, those for listening are the defaults. */
export type Settings =
  & HostSettings
  & Readonly<
    Required<Omit<ListenOptions, keyof HostSettings | "hostname" | "sharedPort" | "security">>
  >
  & Readonly<{
    hostname: string | undefined;
    sharedPort: string | undefined;
    security: SecurityPlan | undefined;
  }>;

const MAXIMUM_SIZE = 2 ** 31 - 1;
const MEBIBYTE = 2 ** 20;

const live = <Value>(setting: Omit<Setting<Value>, "live">) => ({ ...setting, live: true });
const fixed = <Value>(setting: Omit<Setting<Value>, "live">) => ({ ...setting, live: false });

const number = (option: number, initial: number, low: number, high: number) => ({
  option,
  initial,
  check: (value: unknown, name: string) => integer(value, name, low, high),
  encode: (value: number) => value,
});

const powerOfTwo = (option: number, initial: number, low: number, high: number) => ({
  ...number(option, initial, low, high),
  check(value: unknown, name: string): number {
    const checked = integer(value, name, low, high);
    if ((checked & (checked - 1)) === 0) return checked;
    throw new RangeError(`${name} must be a power of two, not ${checked}`);
  },
});

const flag = (option: number, initial: boolean) => ({
  option,
  initial,
  check: boolean,
  encode: Number,
});

const choice = <T extends string>(option: number, initial: NoInfer<T>, choices: readonly T[]) => ({
  option,
  initial,
  check: (value: unknown, name: string) => oneOf(value, name, choices),
  encode: (value: T) => choices.indexOf(value),
});

/** The table. */
export const SETTINGS: { readonly [Name in keyof Settings]: Setting<Settings[Name]> } = {
  hostname: fixed<string | undefined>({
    initial: undefined,
    check: (value, name) => value === undefined ? value : validateHostname(value, name),
    listens: true,
  }),
  ipv6Only: fixed({ initial: false, check: boolean, listens: true }),
  port: fixed({ ...number(CONFIG.PORT, 0, 0, 65535), listens: true }),
  reusePort: fixed({ ...flag(CONFIG.REUSE_PORT, false), listens: true }),
  sharedPort: fixed<string | undefined>({
    initial: undefined,
    check: validatePortName,
    listens: true,
  }),
  security: fixed<SecurityPlan | undefined>({
    initial: undefined,
    check: planHostSecurity,
    listens: true,
  }),
  unguarded: fixed({ ...flag(CONFIG.UNGUARDED, false), listens: true }),
  accept: live({
    option: CONFIG.ACCEPT,
    initial: undefined,
    check: validateAccept,
    encode: (accept) => Number(accept !== undefined),
    listens: true,
  }),
  peers: fixed({ ...number(CONFIG.PEERS, 64, 1, LAYOUT.MAXIMUM_PEERS), initialForCreate: 8 }),
  channels: live(
    number(CONFIG.CHANNELS, LAYOUT.MAXIMUM_CHANNELS, 1, LAYOUT.MAXIMUM_CHANNELS),
  ),
  duplicatePeers: live(
    number(CONFIG.DUPLICATE_PEERS, LAYOUT.MAXIMUM_PEERS, 1, LAYOUT.MAXIMUM_PEERS),
  ),
  incomingBandwidth: live(number(CONFIG.INCOMING_BANDWIDTH, 0, 0, U32)),
  outgoingBandwidth: live(number(CONFIG.OUTGOING_BANDWIDTH, 0, 0, U32)),
  compression: live(choice(CONFIG.COMPRESSION, "none", ["none", "range-coder"])),
  checksum: live(choice(CONFIG.CHECKSUM, "none", ["none", "crc32"])),
  mtu: live(number(CONFIG.MTU, 1400, LAYOUT.MINIMUM_MTU, LAYOUT.MAXIMUM_MTU)),
  maximumPacketSize: live(number(CONFIG.MAXIMUM_PACKET_SIZE, 32 * MEBIBYTE, 1, MAXIMUM_SIZE)),
  maximumWaitingData: live(number(CONFIG.MAXIMUM_WAITING_DATA, 32 * MEBIBYTE, 1, MAXIMUM_SIZE)),
  maximumHostData: live(number(CONFIG.MAXIMUM_HOST_DATA, 0, 0, U32)),
  highWaterMark: live(number(CONFIG.HIGH_WATER, 256 * 1024, 0, MAXIMUM_SIZE)),
  receiveBufferSize: live(number(CONFIG.RECEIVE_BUFFER, 256 * 1024, 1024, MAXIMUM_SIZE)),
  sendBufferSize: live(number(CONFIG.SEND_BUFFER, 256 * 1024, 1024, MAXIMUM_SIZE)),
  stallLimitMs: live(number(CONFIG.STALL_LIMIT, 10, 1, 60_000)),
  turnBudgetMs: live({ initial: TURN_BUDGET_MS, check: validateTurnBudget }),
  congestion: live(choice(CONFIG.CONGESTION, "adaptive", ["adaptive", "enet"])),
  spin: live(choice(CONFIG.SPIN, "auto", ["never", "auto", "always"])),
  throttle: live(choice(CONFIG.THROTTLE, "game", ["game", "enet"])),
  remoteThrottle: live(choice(CONFIG.REMOTE_THROTTLE, "unchanged", ["unchanged", "game"])),
  datagrams: live(flag(CONFIG.DATAGRAMS, false)),
  filter: live({ initial: planFilter({}), check: planFilter }),
  limits: live({ initial: planLimits({}), check: planLimits }),
  conditions: live({ initial: null, check: planConditions }),
  pump: fixed(flag(CONFIG.PUMP, true)),
  eventCapacity: fixed(powerOfTwo(CONFIG.EVENT_CAPACITY, 4096, 16, MEBIBYTE)),
  arenaSize: fixed(powerOfTwo(CONFIG.ARENA_BYTES, MEBIBYTE, 4096, 256 * MEBIBYTE)),
};

/** The names in the table. */
export const SETTING_NAMES = Object.keys(SETTINGS) as (keyof Settings)[];

/** Those that are properties of a live host. */
export const LIVE_SETTINGS = SETTING_NAMES.filter((name) =>
  SETTINGS[name].live
) as (keyof HostSettings)[];

/** What bounds memory. */
type MemorySettings = Pick<
  HostSettings,
  "maximumHostData" | "maximumWaitingData" | "maximumPacketSize"
>;

/** Refuses a maximum for the whole host that is less than one connection may take. */
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
