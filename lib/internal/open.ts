/** Opens hosts: the native host, what JavaScript keeps beside it, and its wake-up. */
import { CONFIG } from "../../ffi/layout.ts";
import { resolveIPv4 } from "../address.ts";
import { check } from "../errors.ts";
import type { HostHandlers } from "../events.ts";
import { Endpoint } from "./endpoint.ts";
import { Inlet } from "./inlet.ts";
import { loadLibrary } from "./library.ts";
import { Memory } from "./memory.ts";
import type { HostPlan } from "./plan.ts";
import { Resources } from "./resources.ts";

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
  const { config, listens, settings: { hostname, port, pump, conditions } } = plan;
  Resources.closeOnReload(runtime);
  config[CONFIG.ADDRESS] = listens ? await resolveIPv4(hostname) : -1;
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
    listens ? `Listening on ${hostname}:${port}` : "Creating a host",
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
