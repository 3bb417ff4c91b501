import { setImmediate } from "node:timers";
import type { Library } from "../../ffi/loader.ts";
import type { Native } from "../../ffi/symbols.ts";
import { ENetError } from "../errors.ts";
import type { Data } from "../packet.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionOwner, Consumers, Reports } from "./connection_contract.ts";
import { Deliveries } from "./deliveries.ts";
import { validateFlags } from "./flags.ts";
import type { HostMemory, Ring } from "./host_memory.ts";
import { NativeTransport } from "./native_transport.ts";
import { requireSendable } from "./payload.ts";
import { Pins } from "./pins.ts";
import type { HostPlan } from "./plan.ts";
import type { Resources } from "./resources.ts";
import { RecipientList } from "./recipient_list.ts";
import type { Recipients, Transport } from "./transport.ts";
import type { Settings } from "./settings.ts";
import { integer } from "./validate.ts";
import { Waiting } from "./waiting.ts";

/** What an endpoint needs of the inlet. */
export interface EndpointInlet extends Consumers<Connection>, Reports<Connection> {
  /** Whether `settle` is running, which flushes when it is done. */
  readonly settling: boolean;
  /** Hands out the records of the rings. */
  settle(): void;
}

/**
 * An open host as its connections see it: its transports, when it flushes, and the promises that are pending.
 * The inlet receives.
 */
export class Endpoint implements ConnectionOwner<Connection> {
  readonly library: Library;
  readonly native: Native;
  readonly handle: number;
  readonly memory: HostMemory;
  readonly resources: Resources;
  readonly settings: Settings;
  /** Whether others can connect to it. */
  readonly listens: boolean;
  readonly events: Ring;
  readonly completions: Ring;
  readonly stats: Float64Array;
  readonly waiting: Waiting;
  /** What carries the connections over ENet. */
  readonly transport: NativeTransport;
  readonly #transports: Transport[] = [];
  readonly #everybody: Recipients[] = [];
  host: unknown;
  connections = 0;
  inlet!: EndpointInlet;
  closeReason: unknown;
  /** Whether the host is closing or closed. */
  closing = false;
  /** Called once, when the host begins to close. */
  readonly closers: Set<() => void> = new Set();
  readonly #pins: Pins = new Pins(this);
  readonly deliveries: Deliveries = new Deliveries(this.#pins);
  #dirty = false;
  #changed = false;

  constructor(
    library: Library,
    resources: Resources,
    memory: HostMemory,
    { settings, listens }: HostPlan,
  ) {
    this.library = library;
    this.resources = resources;
    this.native = resources.native;
    this.handle = resources.handle;
    this.memory = memory;
    this.settings = settings;
    this.listens = listens;
    const { events, completions, stats } = memory.rings();
    this.events = events;
    this.completions = completions;
    this.stats = stats;
    this.waiting = new Waiting(memory, resources, settings);
    this.transport = new NativeTransport(this);
    this.carry(this.transport);
  }

  /** All that carries connections of this host: its own transport first, then others. */
  get transports(): readonly Transport[] {
    return this.#transports;
  }

  /** For a broadcast to all: each transport, with nobody left out. */
  get everybody(): readonly Recipients[] {
    return this.#everybody;
  }

  /** Adds a transport. Its connections are connections of this host. */
  carry(transport: Transport): void {
    transport.filter(this.settings.filter);
    transport.limit(this.settings.limits);
    this.#transports.push(transport);
    this.#everybody.push(new RecipientList(transport));
  }

  /** Takes a transport away, of which no connection is left. */
  drop(transport: Transport): void {
    const index = this.#transports.indexOf(transport);
    this.#transports.splice(index, 1);
    this.#everybody.splice(index, 1);
  }

  /** Whether a native thread wakes this one; without it only `service` receives and sends. */
  get pump(): boolean {
    return this.settings.pump;
  }

  get turnBudgetMs(): number {
    return this.settings.turnBudgetMs;
  }

  /** Throws if the host is closed. */
  requireOpen(what: string): void {
    if (!this.resources.open) {
      throw new ENetError("ENETJS_ERR_CLOSED", `${what}: the host is closed`);
    }
  }

  /** Notes that the host begins to close. */
  beginClosing(): void {
    this.closing = true;
    for (const call of this.closers) call();
    this.closers.clear();
  }

  /** Warns a program that is being debugged. */
  warn({ name }: Pick<Connection, "name">, what: string): void {
    if (this.library.debug) console.warn(`ENETJS_DEBUG: ${name}: ${what}`);
  }

  // Flushing: once per turn of the event loop, or when a consumer has handled all events.

  /** Notes that something is queued. */
  touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    if (this.pump && !this.inlet.settling) setImmediate(() => this.flushIfDirty());
  }

  /** Sends what is queued now, if anything is. */
  flushIfDirty(): void {
    if (this.#dirty && this.pump && this.resources.open) this.flush();
  }

  /** Sends what is queued now. */
  flush(): void {
    this.#dirty = false;
    this.native.enetjs_host_flush(this.handle);
    if (!this.completions.empty) this.change();
  }

  /** After a service, which has flushed. */
  serviced(): void {
    this.#dirty = false;
  }

  /** Looks at the rings when this turn of microtasks is over. */
  change(): void {
    if (this.#changed) return;
    this.#changed = true;
    queueMicrotask(() => {
      this.#changed = false;
      if (this.resources.open) this.inlet.settle();
    });
  }

  // Pinning: while a promise of the host is pending or it has functions to call, it must not be collected.

  /** Keeps the host and its objects from being collected. */
  pin(): void {
    this.#pins.add();
  }

  /** Undoes one `pin`. */
  unpin(): void {
    this.#pins.remove();
  }

  /** Pins the host while functions that it calls are set: `handlers` or `accept`, in place of `before`. */
  pinFor(before: unknown, after: unknown): void {
    this.#pins.exchange(before, after);
  }

  /** Undoes every `pin`, at the end. */
  unpinAll(): void {
    this.#pins.clear();
  }

  /**
   * Queues a message to connections of one or of several transports.
   *
   * @param mode see {@linkcode Transport.broadcast}
   * @returns how many it was queued to; 0 once the host is closed
   */
  broadcast(
    channelId: number,
    flags: number,
    data: Data,
    to: readonly Recipients[],
    mode: number,
  ): number {
    validateFlags(flags);
    integer(channelId, "channelId", 0, 254);
    if (!this.resources.open) {
      requireSendable(data, this.settings);
      return 0;
    }
    let count = 0;
    for (let i = 0; i < to.length; i++) {
      count += to[i].transport.broadcast(channelId, flags, data, to[i], mode);
    }
    return count;
  }
}
