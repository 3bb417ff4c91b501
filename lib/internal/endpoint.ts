import { setImmediate } from "node:timers";
import { CONFIG, LAYOUT } from "../../ffi/layout.ts";
import type { Runtime, Wake } from "../../ffi/contract.ts";
import type { Library } from "../../ffi/loader.ts";
import type { Native } from "../../ffi/symbols.ts";
import type { ChannelSink, Connection } from "./connection.ts";
import { integer, show } from "./validate.ts";
import type { Memory, Ring } from "./memory.ts";
import { check, ENetError, NATIVE_ERROR } from "../errors.ts";
import type { Host } from "../host.ts";
import type { HostPlan, NativeSettings } from "../options.ts";
import { Outbox } from "./outbox.ts";
import { Pins } from "./pins.ts";
import { Waiting } from "./waiting.ts";
import { type Data, Packet, PacketFlag, packets, viewOf } from "../packet.ts";
import { encoder } from "../../ffi/utf8.ts";

/** The resources of every open host. */
const held = new Set<Resources>();
let watching = false;

/** The resources of a host, to be released by whatever closes it; refers to nothing else of the host. */
export class Resources {
  readonly native: Native;
  readonly handle: number;
  wake: Wake | undefined;
  open = true;

  constructor(native: Native, handle: number) {
    this.native = native;
    this.handle = handle;
    held.add(this);
  }

  /**
   * Has every host closed when the program is reloaded in the same process. Called before a host is created,
   * so that a host of an earlier load does not block its port.
   */
  static closeOnReload(runtime: Runtime): void {
    if (watching) return;
    watching = true;
    runtime.onReload(() => held.forEach((resources) => resources.close()));
  }

  /** Closes the native host first, so that its pump does not take the closed wake-up for a lost owner. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    held.delete(this);
    this.native.enetjs_host_close(this.handle);
    this.wake?.close();
  }
}

/** What UDP over IPv4 can carry. */
export const MAXIMUM_DATAGRAM = 65_507;

/** ENet's flags that can be combined, and those that cannot. */
const FLAGS: readonly number[] = [
  PacketFlag.UNRELIABLE,
  PacketFlag.RELIABLE,
  PacketFlag.UNSEQUENCED,
  PacketFlag.UNRELIABLE_FRAGMENT,
  PacketFlag.UNSEQUENCED_FRAGMENT,
];

/** The name of the flag that a wrong value means: what text says, else the usual one. */
function namedFlag(flags: unknown): string {
  const name = typeof flags === "string" ? flags.toUpperCase().replaceAll("-", "_") : "";
  return Object.hasOwn(PacketFlag, name) ? name : "RELIABLE";
}

/** Refuses flags that ENet would silently ignore. */
export function validateFlags(flags: unknown): PacketFlag {
  // The usual ones first: this runs for every message.
  if (flags !== PacketFlag.RELIABLE && !FLAGS.includes(flags as number)) {
    if (typeof flags !== "number") {
      throw new TypeError(
        `flags must be PacketFlag bits such as PacketFlag.${namedFlag(flags)}, not ${show(flags)}`,
      );
    }
    throw new RangeError(
      "flags must be UNRELIABLE (0), RELIABLE (1), UNSEQUENCED (2), UNRELIABLE_FRAGMENT (8) or " +
        `UNSEQUENCED_FRAGMENT (10), not ${flags}`,
    );
  }
  return flags as PacketFlag;
}

/** A payload where native code can take it. */
type Staged =
  | { readonly kind: "shared"; readonly offset: number; readonly length: number }
  | { readonly kind: "buffer"; readonly bytes: Uint8Array; readonly length: number }
  | { readonly kind: "packet"; readonly handle: number; readonly length: number };

/** What an endpoint needs of the inlet. */
export interface EndpointInlet {
  /** Whether `settle` is running, which flushes when it is done. */
  readonly settling: boolean;
  /** Hands out the records of the rings. */
  settle(): void;
  /** An iteration over a connection begins. */
  claim(connection: Connection): void;
  /** Nobody does any more. */
  unclaim(connection: Connection): void;
  /** A reader of a channel begins. */
  claimChannel(connection: Connection, channelId: number, sink: ChannelSink): void;
  /** Nobody does any more. */
  unclaimChannel(connection: Connection, channelId: number): void;
  /** Drops messages that wait of connections that this side has ended. */
  silence(): void;
}

/** A promise that waits for the other side to acknowledge a message. */
interface Delivery {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** The error to reject with. */
  readonly undelivered: () => Error;
  /** Called before the promise is settled, in the same task. */
  readonly settled: ((error?: Error) => void) | undefined;
}

/**
 * An open native host as its peers see it: native calls, payloads to send, flushing, and pending promises.
 * The host adds the inlet, which receives.
 */
export class Endpoint {
  readonly library: Library;
  readonly native: Native;
  readonly handle: number;
  readonly memory: Memory;
  readonly resources: Resources;
  readonly settings: NativeSettings;
  readonly events: Ring;
  readonly completions: Ring;
  readonly stats: Float64Array;
  /** Messages that wait in JavaScript. */
  readonly waiting: Waiting;
  readonly #outbox: Outbox;
  /** Bytes of all messages to several peers so far, which may be in the queue of any peer. */
  #broadcasted = 0;
  /** The public face. */
  host!: Host;
  /** How many connections there have been. */
  connections = 0;
  /** The inlet, which must know of changes. */
  inlet!: EndpointInlet;
  readonly #scratchOffset: number;
  readonly #deliveries = new Map<number, Delivery>();
  /** Whether a native thread wakes this one; without it only `service` receives and sends. */
  readonly pump: boolean;
  /** Milliseconds of a turn of the event loop that consumers may use. */
  turnBudgetMs: number;
  /** The reason that the program gave to `host.close`. */
  closeReason: unknown;
  /** The host has begun to close. */
  closing = false;
  #token = 0;
  #dirty = false;
  #changed = false;
  readonly #pins: Pins = new Pins(this);

  constructor(
    library: Library,
    resources: Resources,
    memory: Memory,
    { config, settings, pump, turnBudgetMs }: HostPlan,
  ) {
    this.library = library;
    this.resources = resources;
    this.native = resources.native;
    this.handle = resources.handle;
    this.memory = memory;
    this.settings = settings;
    this.pump = pump;
    this.turnBudgetMs = turnBudgetMs;
    this.#scratchOffset = memory.block.length - memory.scratch.length;
    const { events, completions, stats } = memory.rings();
    this.events = events;
    this.completions = completions;
    this.stats = stats;
    this.waiting = new Waiting(memory, resources, settings, config[CONFIG.PEERS]);
    this.#outbox = new Outbox(resources.native, resources.handle, memory);
  }

  /** Throws if the host is closed. */
  requireOpen(what: string): void {
    if (!this.resources.open) {
      throw new ENetError("ENETJS_ERR_CLOSED", `${what}: the host is closed`);
    }
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

  // Pinning: while a promise of the host is pending, the garbage collector must not collect the host.

  /** Keeps the host and its objects from being collected. */
  pin(): void {
    this.#pins.add();
  }

  /** Undoes one `pin`. */
  unpin(): void {
    this.#pins.remove();
  }

  /** Undoes every `pin`, at the end. */
  unpinAll(): void {
    this.#pins.clear();
  }

  // Sending.

  /** Puts a payload where native code can take it, and checks its size. */
  #stage(data: Data): Staged {
    if (typeof data === "string") {
      if (data.length * 3 > this.memory.scratch.length) {
        return this.#stageBytes(encoder.encode(data));
      }
      const { written } = encoder.encodeInto(data, this.memory.scratch);
      this.#requireSize(written);
      return { kind: "shared", offset: this.#scratchOffset, length: written };
    }
    if (data instanceof Packet) {
      this.#requireSize(data.length);
      const source = packets.send(data);
      if (source.kind === "native") {
        return { kind: "packet", handle: source.handle, length: data.length };
      }
      if (source === this.memory && !this.memory.stolen) {
        const offset = this.memory.nativeOffset(packets.offset(data));
        return { kind: "shared", offset, length: data.length };
      }
    }
    return this.#stageBytes(viewOf(data));
  }

  #stageBytes(bytes: Uint8Array): Staged {
    this.#requireSize(bytes.length);
    const { scratch } = this.memory;
    if (bytes.length > scratch.length) return { kind: "buffer", bytes, length: bytes.length };
    scratch.set(bytes);
    return { kind: "shared", offset: this.#scratchOffset, length: bytes.length };
  }

  /** Checks arguments of a message that will not be sent. */
  #measure(data: Data): void {
    if (typeof data === "string") this.#requireSize(encoder.encode(data).length);
    else this.#requireSize(data instanceof Packet ? data.length : viewOf(data).length);
  }

  #requireSize(length: number): void {
    if (length > this.settings.maximumPacketSize) {
      throw new RangeError(
        `data of ${length} bytes is larger than maximumPacketSize, ${this.settings.maximumPacketSize}`,
      );
    }
  }

  /** Puts a small message into the outbox, if that can't take the queue above the high-water mark. */
  post(to: Connection, channelId: number, flags: number, data: Data): boolean {
    const bytes = data instanceof Uint8Array ? data : data instanceof Packet && packets.peek(data);
    if (!bytes) return false;
    const { highWaterMark, maximumPacketSize } = this.settings;
    const { length } = bytes;
    if (to.queuedAtMost + this.#broadcasted + length > highWaterMark) return false;
    if (length > maximumPacketSize || !this.resources.open) return false;
    if (!this.#outbox.take(to, channelId, flags, bytes)) return false;
    to.queuedAtMost += length;
    this.touch();
    return true;
  }

  /** Queues a message; see `enetjs_peer_send`. To a connection that ends, or has ended, it does nothing. */
  send(to: Connection, channelId: number, flags: number, data: Data, token: number): number {
    if (!this.resources.open || (to.established && !to.sendable)) {
      this.#measure(data);
      return NATIVE_ERROR.STALE;
    }
    const result = this.#send(to.id, channelId, flags, data, token);
    this.touch();
    const queued = this.memory.words[LAYOUT.WORD_QUEUED_BYTES] - this.#broadcasted;
    to.queuedAtMost = result === 0 ? queued : Infinity;
    to.full ||= result > 0;
    return result;
  }

  #send(peer: number, channelId: number, flags: number, data: Data, token: number): number {
    const { native, handle } = this;
    const staged = this.#stage(data);
    switch (staged.kind) {
      case "shared":
        return native.enetjs_peer_send(
          handle,
          peer,
          channelId,
          flags,
          staged.offset,
          staged.length,
          token,
        );
      case "buffer":
        return native.enetjs_peer_send_buffer(
          handle,
          peer,
          channelId,
          flags,
          staged.bytes,
          staged.length,
          token,
        );
      case "packet":
        return native.enetjs_peer_send_packet(handle, peer, channelId, flags, staged.handle, token);
    }
  }

  /**
   * Queues a message to many peers, see `enetjs_host_broadcast`.
   *
   * @param peers ids of peers, not empty
   * @param bytes how many bytes of it are ids
   * @param mode what they mean
   * @returns how many peers it was queued to; 0 once the host is closed
   */
  broadcast(
    channelId: number,
    flags: number,
    data: Data,
    peers: Uint8Array,
    bytes: number,
    mode: number,
  ): number {
    validateFlags(flags);
    integer(channelId, "channelId", 0, 254);
    if (!this.resources.open) {
      this.#measure(data);
      return 0;
    }
    const staged = this.#stage(data);
    if (bytes === 0 && mode === LAYOUT.BROADCAST_TO) return 0;
    this.touch();
    // An upper bound for the peers that do not get it.
    this.#broadcasted += staged.length;
    return check(
      this.#broadcast(channelId, flags, staged, peers, bytes, mode),
      "Sending to several peers",
    );
  }

  #broadcast(
    channelId: number,
    flags: number,
    staged: Staged,
    peers: Uint8Array,
    bytes: number,
    mode: number,
  ): number {
    const { native, handle } = this;
    switch (staged.kind) {
      case "shared":
        return native.enetjs_host_broadcast(
          handle,
          channelId,
          flags,
          staged.offset,
          staged.length,
          peers,
          bytes,
          mode,
        );
      case "buffer":
        return native.enetjs_host_broadcast_buffer(
          handle,
          channelId,
          flags,
          staged.bytes,
          staged.length,
          peers,
          bytes,
          mode,
        );
      case "packet":
        return native.enetjs_host_broadcast_packet(
          handle,
          channelId,
          flags,
          staged.handle,
          peers,
          bytes,
          mode,
        );
    }
  }

  /** Sends a raw datagram; returns false when the socket's buffer is full. */
  sendDatagram(address: number, port: number, data: Data, what: string): boolean {
    const bytes = typeof data === "string" ? encoder.encode(data) : viewOf(data);
    if (bytes.length > MAXIMUM_DATAGRAM) {
      throw new RangeError(
        `data of ${bytes.length} bytes is larger than a datagram, ${MAXIMUM_DATAGRAM}`,
      );
    }
    if (!this.resources.open) return false;
    this.memory.scratch.set(bytes);
    const sent = check(
      this.native.enetjs_host_send_datagram(
        this.handle,
        address,
        port,
        this.#scratchOffset,
        bytes.length,
      ),
      what,
    );
    return sent === bytes.length;
  }

  // Deliveries.

  /** Sends a message whose acknowledgement is waited for. */
  deliver(
    send: (token: number) => void,
    undelivered: () => Error,
    settled?: (error?: Error) => void,
  ): Promise<void> {
    do this.#token = (this.#token + 1) >>> 0; while (
      this.#token === 0 || this.#deliveries.has(this.#token)
    );
    const token = this.#token;
    send(token);
    this.pin();
    return new Promise((resolve, reject) =>
      void this.#deliveries.set(token, { resolve, reject, undelivered, settled })
    );
  }

  /** A DELIVERED or UNDELIVERED completion. */
  settleDelivery(token: number, delivered: boolean): void {
    const delivery = this.#deliveries.get(token);
    if (delivery === undefined) return;
    this.#deliveries.delete(token);
    this.unpin();
    const error = delivered ? undefined : delivery.undelivered();
    delivery.settled?.(error);
    if (error === undefined) delivery.resolve();
    else delivery.reject(error);
  }

  /** The end: no more messages will be acknowledged. */
  abandonDeliveries(): void {
    for (const token of [...this.#deliveries.keys()]) this.settleDelivery(token, false);
  }
}
