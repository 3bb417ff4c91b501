/** Opens hosts: the native host, what JavaScript keeps beside it, and its wake-up. */
import { CONFIG, LAYOUT } from "../../ffi/layout.ts";
import type { Native } from "../../ffi/symbols.ts";
import { check } from "../errors.ts";
import type { HostHandlers } from "../events.ts";
import { Endpoint } from "./endpoint.ts";
import { Inlet } from "./inlet.ts";
import { hostAndPort, type IPv6Address, isUnspecified } from "./ip.ts";
import { loadLibrary } from "./library.ts";
import { Memory } from "./memory.ts";
import { interfaceOf } from "./native_address.ts";
import type { HostPlan } from "./plan.ts";
import { resolveLocal } from "./resolve.ts";
import { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

function putIPv6(
  config: Float64Array,
  native: Native,
  address: IPv6Address,
  ipv6Only: boolean,
): void {
  const isDual = isUnspecified(address) && !ipv6Only;
  config[CONFIG.IPV6] = isDual ? LAYOUT.IPV6_DUAL : LAYOUT.IPV6_ONLY;
  config.set(address.words, CONFIG.IPV6_ADDRESS);
  config[CONFIG.IPV6_INTERFACE] = interfaceOf(native, address);
}

/** Puts into the configuration where a host listens, and which versions of IP it speaks. */
async function putLocal(
  config: Float64Array,
  native: Native,
  { hostname, ipv6Only }: Settings,
): Promise<void> {
  config[CONFIG.ADDRESS] = 0;
  const address = hostname === undefined ? undefined : await resolveLocal(hostname, ipv6Only);
  if (typeof address === "object") return putIPv6(config, native, address, ipv6Only);
  if (address !== undefined) config[CONFIG.ADDRESS] = address;
  else config[CONFIG.IPV6] = ipv6Only ? LAYOUT.IPV6_ONLY : LAYOUT.IPV6_AUTO;
}

/**
 * Opens a host.
 *
 * @param make makes the public face, before anything can arrive
 */
export async function openHost<Host>(
  plan: HostPlan,
  handlers: HostHandlers | undefined,
  make: (endpoint: Endpoint, inlet: Inlet) => Host,
): Promise<Host> {
  const library = await loadLibrary();
  const { native, runtime } = library;
  const { config, listens, ipv4Only, settings } = plan;
  const { hostname = "::", port, pump, conditions } = settings;
  Resources.closeOnReload(runtime);
  if (listens) await putLocal(config, native, settings);
  else {
    config[CONFIG.ADDRESS] = -1;
    config[CONFIG.IPV6] = ipv4Only ? LAYOUT.IPV6_NONE : LAYOUT.IPV6_AUTO;
  }
  const memory = new Memory(plan.sizes, runtime.copiesUpTo, library.debug);
  const handle = check(
    native.enetjs_host_create(
      new Uint8Array(config.buffer),
      config.byteLength,
      memory.block,
      memory.block.length,
      memory.arena,
      memory.arena.length,
    ),
    listens ? `Listening on ${hostAndPort({ hostname, port })}` : "Creating a host",
  );
  const resources = new Resources(native, handle, memory);
  try {
    const endpoint = new Endpoint(library, resources, memory, plan);
    const inlet = new Inlet(endpoint, handlers);
    resources.closeWith(endpoint);
    if (conditions !== null) endpoint.transport.simulate(conditions, null);
    const host = make(endpoint, inlet);
    if (pump) {
      const fd = check(native.enetjs_host_start(handle), "Starting a host");
      resources.wake = await runtime.attach(fd, wakeUp(inlet));
    }
    return host;
  } catch (error) {
    resources.close();
    throw error;
  }
}

/** What the wake-up calls; it must not keep the host from being collected. */
function wakeUp(inlet: Inlet): () => void {
  const weak = new WeakRef(inlet);
  return () => {
    const live = weak.deref();
    if (live?.endpoint.resources.open) live.wake();
  };
}
