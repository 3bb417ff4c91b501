/** Checks the options of a host, by the table of `settings.ts`. */
import { CONFIG, LAYOUT, SECURITY } from "../../ffi/layout.ts";
import { checkCompression } from "../encryption.ts";
import { HANDLERS } from "../events.ts";
import { checkFamily } from "./local.ts";
import type { MemorySizes } from "./host_memory.ts";
import { checkHostData, type Setting, SETTING_NAMES, SETTINGS, type Settings } from "./settings.ts";
import { options, show } from "./validate.ts";

/** Checked options. */
export interface HostPlan {
  /** Configuration for `enetjs_host_create`; the address is still to be filled in. */
  readonly config: Float64Array<ArrayBuffer>;
  readonly sizes: MemorySizes;
  /** What the host begins with. */
  readonly settings: Settings;
  /** Whether others can connect to it. */
  readonly listens: boolean;
  /** Whether a host that does not listen reaches no IPv6 address. */
  readonly ipv4Only: boolean;
}

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
    if (!listening && Object.hasOwn(SETTINGS, key) && SETTINGS[key as keyof Settings].listens) {
      throw new TypeError(
        `options has no option "${key}" in Host.create, whose host only connects: use Host.listen`,
      );
    }
  }
}

/** What a shared port has decided. */
const OF_SHARED_PORT = ["hostname", "port", "ipv6Only", "reusePort"] as const;

function checkSharedPort(given: Partial<Settings>): void {
  if (given.sharedPort === undefined) return;
  for (const name of OF_SHARED_PORT) {
    if (given[name] === undefined) continue;
    throw new TypeError(
      `${name} (${
        show(given[name])
      }) is not for a host with sharedPort, whose socket is there already: ` +
        "leave out one of them",
    );
  }
}

function checkSecurity({ security, compression, peers }: Settings): void {
  checkCompression(security, compression);
  if (security === undefined || peers <= SECURITY.MAXIMUM_PEERS) return;
  throw new RangeError(
    `peers must be at most ${SECURITY.MAXIMUM_PEERS} with security, not ${peers}: the other peer ids mark ` +
      "encrypted datagrams",
  );
}

/** Checks the options of `create` (or with `listens`, of `listen`). */
export function planHost(given: unknown, listens: boolean): HostPlan {
  refuseMisplaced(given, listens);
  options(given, "options", SETTING_NAMES.filter((name) => listens || !SETTINGS[name].listens));
  const config = new Float64Array(LAYOUT.CONFIG_COUNT);
  const values: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    const setting = SETTINGS[name] as Setting<unknown>;
    const { initial, initialForCreate = initial, option, encode } = setting;
    const { [name]: value = listens ? initial : initialForCreate } = given as typeof values;
    const checked = values[name] = setting.check(value, name);
    if (option !== undefined && encode !== undefined) config[option] = encode(checked);
  }
  // Read for each message. V8 makes a hash table of an object that was filled name by name, but not of its copy.
  const settings = { ...values } as unknown as Settings;
  checkHostData(settings);
  checkFamily(settings);
  checkSecurity(settings);
  checkSharedPort(given as Partial<Settings>);
  const sizes: MemorySizes = {
    events: settings.eventCapacity,
    completions: 1024,
    arena: settings.arenaSize,
    scratch: 64 * 1024,
    outbox: 32 * 1024,
  };
  config[CONFIG.COMPLETION_CAPACITY] = sizes.completions;
  config[CONFIG.SCRATCH_BYTES] = sizes.outbox + sizes.scratch;
  return { config, sizes, settings, listens, ipv4Only: false };
}
