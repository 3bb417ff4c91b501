/** Opens hosts: the native host, what JavaScript keeps beside it, and its wake-up. */
import { CONFIG, LAYOUT } from "../../ffi/layout.ts";
import type { Native } from "../../ffi/symbols.ts";
import { openWake, type StartWaker } from "../../ffi/wake.ts";
import { check, NATIVE_ERROR } from "../errors.ts";
import type { HostHandlers } from "../events.ts";
import { Endpoint } from "./endpoint.ts";
import { Inlet } from "./inlet.ts";
import { hostAndPort } from "./ip.ts";
import { loadLibrary } from "./library.ts";
import { putLocal } from "./local.ts";
import { HostMemory } from "./host_memory.ts";
import type { HostPlan } from "./plan.ts";
import { parsePortName } from "./port_name.ts";
import { closeOnReload } from "./reload.ts";
import { Resources } from "./resources.ts";
import { traceHost } from "./trace.ts";

/** How long a host waits for a socket of its shared port: the host that had it may be on its way out. */
const SOCKET_WAIT_MS = 5000;
const SOCKET_RETRY_MS = 20;

/** Creates the native host; asks again while every socket of its shared port is taken. @returns the native result */
async function createNative(
  native: Native,
  config: Float64Array<ArrayBuffer>,
  memory: HostMemory,
): Promise<number> {
  const deadline = performance.now() + SOCKET_WAIT_MS;
  for (;;) {
    const result = native.enetjs_host_create(
      new Uint8Array(config.buffer),
      config.byteLength,
      memory.block,
      memory.block.length,
      memory.arena,
      memory.arena.length,
    );
    if (result !== NATIVE_ERROR.SOCKETS_TAKEN || performance.now() > deadline) return result;
    await new Promise((resolve) => setTimeout(resolve, SOCKET_RETRY_MS));
  }
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
  const { hostname = "::", port, sharedPort, pump, conditions, security } = settings;
  closeOnReload(runtime);
  if (sharedPort !== undefined) config.set(parsePortName(sharedPort), CONFIG.SHARED_PORT);
  if (listens) await putLocal(config, native, settings);
  else {
    config[CONFIG.ADDRESS] = -1;
    config[CONFIG.IPV6] = ipv4Only ? LAYOUT.IPV6_NONE : LAYOUT.IPV6_AUTO;
  }
  const memory = new HostMemory(plan.sizes, runtime.copiesUpTo, library.debug);
  const where = sharedPort ?? hostAndPort({ hostname, port });
  const handle = check(
    await createNative(native, config, memory),
    listens ? `Listening on ${where}` : "Creating a host",
  );
  const resources = new Resources(native, handle, memory);
  try {
    const endpoint = new Endpoint(library, resources, memory, plan);
    const inlet = new Inlet(endpoint, handlers);
    if (security !== undefined) endpoint.transport.secure(security.bytes);
    resources.closeWith(endpoint);
    if (conditions !== null) endpoint.transport.simulate(conditions, null);
    traceHost(endpoint);
    const host = make(endpoint, inlet);
    if (pump) {
      const start: StartWaker = (port, secret) =>
        check(
          native.enetjs_host_start(handle, port, secret, secret.length),
          "Starting a host",
        );
      resources.wake = await openWake(library, start, wakeUp(inlet));
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
