import type { Wake } from "../../ffi/contract.ts";
import type { Native } from "../../ffi/symbols.ts";
import type { HostMemory } from "./host_memory.ts";
import { reloadable } from "./reload.ts";

/** Closes hosts that were dropped without being closed. */
const registry = new FinalizationRegistry<Resources>((resources) => resources.close());

/** The resources of a host, to be released by whatever closes it; refers to nothing else of the host. */
export class Resources {
  readonly native: Native;
  readonly handle: number;
  /**
   * Native code and its pump write to it until the host is closed. The collector may take a dropped host and its
   * memory in one go, but closes the host later.
   */
  readonly memory: HostMemory;
  wake: Wake | undefined;
  open = true;

  constructor(native: Native, handle: number, memory: HostMemory) {
    this.native = native;
    this.handle = handle;
    this.memory = memory;
    reloadable.add(this);
  }

  /** Has the host closed when the collector takes an object. */
  closeWith(owner: object): void {
    registry.register(owner, this, this);
  }

  /** Closes the native host first, so that its pump does not take the closed wake-up for a lost owner. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    reloadable.delete(this);
    registry.unregister(this);
    this.native.enetjs_host_close(this.handle);
    this.wake?.close();
  }
}
