/**
 * Leases: at most one host acts for a room.
 *
 * The store of the backplane has one value for each room, which names the holder. Each write replaces a revision that
 * the writer has seen last. So when somebody else has taken the lease, the store refuses the former holder, even one that
 * was stopped and does not know. No clocks are compared: who wants a lease has watched its value stay the same for
 * longer than it lasts.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import { abortSignal, integer, options as checkOptions } from "../internal/validate.ts";
import { type Data, PacketFlag } from "../packet.ts";
import type { BackplaneStore, StoredValue } from "./backplane.ts";
import type { Cluster } from "./cluster.ts";
import { topicOf } from "./names.ts";
import { withTimeout } from "./timeout.ts";

/** Options of `rooms.claim`. */
export interface ClaimOptions {
  /** Milliseconds that the lease lasts without being renewed, 500 to 600,000. Default 3000. */
  ttlMs?: number;
  /** Milliseconds to wait for a lease that another holder has, 0 to 2,147,483,647. Default 10,000. */
  timeoutMs?: number;
  /** Stops waiting when it aborts; the promise rejects with its reason. */
  signal?: AbortSignal;
}

/** What the store has for a room. */
interface Record {
  /** Which claim holds the lease; undefined when it was released. */
  readonly holder: string | undefined;
  readonly ttlMs: number;
  readonly state: Uint8Array;
}

const HEADER = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Others wait a little longer than a lease lasts, because clocks run at different speeds. */
const MARGIN = 1.1;

/** Milliseconds between two looks at the lease of another. */
const LOOK_EVERY_MS = 100;

/** Bytes of a state at most. */
const MOST_STATE = 65_536;

function encodeRecord({ holder, ttlMs, state }: Record): Uint8Array {
  const name = encoder.encode(holder ?? "");
  const bytes = new Uint8Array(HEADER + 1 + name.length + state.length);
  new DataView(bytes.buffer).setUint32(0, ttlMs);
  bytes[HEADER] = name.length;
  bytes.set(name, HEADER + 1);
  bytes.set(state, HEADER + 1 + name.length);
  return bytes;
}

/** What is damaged reads as released. */
function decodeRecord(bytes: Uint8Array): Record {
  const end = HEADER + 1 + (bytes[HEADER] ?? 0);
  if (bytes.length < end) return { holder: undefined, ttlMs: 0, state: new Uint8Array() };
  return {
    holder: decoder.decode(bytes.subarray(HEADER + 1, end)) || undefined,
    ttlMs: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0),
    state: bytes.slice(end),
  };
}

let claims = 0;

/** Takes the lease of a room. */
export async function claimLease(
  cluster: Cluster,
  room: string,
  given: ClaimOptions,
): Promise<Lease> {
  checkOptions(given, "options", ["ttlMs", "timeoutMs", "signal"]);
  const { ttlMs = 3000, timeoutMs = 10_000 } = given;
  integer(ttlMs, "ttlMs", 500, 600_000);
  integer(timeoutMs, "timeoutMs", 0, 2 ** 31 - 1);
  const signal = abortSignal(given.signal);
  if (!cluster.plan.leases) throw new TypeError("claim needs the option leases: true of the rooms");
  const key = topicOf("lease", room);
  const holder = `${cluster.id}-${++claims}`;
  const end = performance.now() + timeoutMs;
  let seen: { revision: number; at: number } | undefined;
  for (;;) {
    signal?.throwIfAborted();
    if (cluster.closed) {
      throw new ENetError("ENETJS_ERR_CLOSED", `claim of ${room}: the rooms are closed`);
    }
    const { store } = cluster.link;
    const look = store === undefined ? { failed: true } : await lookAt(store, key);
    if ("value" in look && store !== undefined) {
      const { value } = look;
      const record = value && decodeRecord(value.bytes);
      const now = performance.now();
      if (value?.revision !== seen?.revision) seen = value && { revision: value.revision, at: now };
      const isFree = record?.holder === undefined ||
        now - (seen as { at: number }).at > record.ttlMs * MARGIN;
      if (isFree) {
        const state = record?.state ?? new Uint8Array();
        const bytes = encodeRecord({ holder, ttlMs, state });
        const revision = await store.put(key, bytes, value?.revision ?? 0).catch(() => undefined);
        if (revision !== undefined) {
          return leases.create(cluster, store, {
            room,
            key,
            holder,
            ttlMs,
            revision,
            state,
            at: now,
          });
        }
      }
    }
    if (performance.now() >= end) throw notClaimed(room, timeoutMs, "failed" in look);
    await pause(Math.min(LOOK_EVERY_MS, end - performance.now()), signal);
  }
}

async function lookAt(
  store: BackplaneStore,
  key: string,
): Promise<{ failed: true } | { value: StoredValue | undefined }> {
  try {
    return { value: await store.get(key) };
  } catch {
    return { failed: true };
  }
}

function notClaimed(room: string, timeoutMs: number, failed: boolean): ENetError {
  return failed
    ? new ENetError(
      "ENETJS_ERR_BACKPLANE",
      `claim of ${room}: the backplane has not answered for ${timeoutMs} ms`,
    )
    : new ENetError(
      "ENETJS_ERR_LEASE",
      `claim of ${room}: another holder has had the lease for ${timeoutMs} ms; wait longer with timeoutMs`,
    );
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const abort = () => aborted.resolve();
  signal?.addEventListener("abort", abort);
  await withTimeout(aborted.promise, Math.max(0, ms));
  signal?.removeEventListener("abort", abort);
}

/** What a lease begins with. */
interface Beginning {
  readonly room: string;
  readonly key: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly revision: number;
  readonly state: Uint8Array;
  /** Before it was written. */
  readonly at: number;
}

/** What the rest of the library may do with leases, and users may not. */
interface LeaseInside {
  create(cluster: Cluster, store: BackplaneStore, beginning: Beginning): Lease;
}

let inside: LeaseInside;

/**
 * The lease of a room, taken by `rooms.claim`. It renews itself three times in each `ttlMs`. It is lost when that fails
 * for `ttlMs`, or when the backplane says that another holder has it.
 */
export class Lease implements AsyncDisposable {
  /** The room. */
  readonly room: string;
  /**
   * The fencing number: that of each later holder is higher. Give it to a database beside each write, which then refuses
   * lower ones.
   */
  readonly fence: number;
  readonly #cluster: Cluster;
  readonly #store: BackplaneStore;
  readonly #beginning: Beginning;
  readonly #lost = new AbortController();
  readonly #forget: () => void;
  #revision: number;
  #expiresAt: number;
  #state: Uint8Array;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The write that is under way, which the next one waits for. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(cluster: Cluster, store: BackplaneStore, beginning: Beginning) {
    this.room = beginning.room;
    this.fence = this.#revision = beginning.revision;
    this.#cluster = cluster;
    this.#store = store;
    this.#beginning = beginning;
    this.#state = beginning.state;
    this.#expiresAt = beginning.at + beginning.ttlMs;
    this.#forget = cluster.onClose(() => this.release());
    this.#renewLater();
  }

  /** Aborts when the lease is lost or released. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Whether this host may act for the room. It is false once the lease has not been renewed in time, also after the process
   * was stopped.
   */
  get valid(): boolean {
    if (!this.#lost.signal.aborted && performance.now() >= this.#expiresAt) this.#lose();
    return !this.#lost.signal.aborted;
  }

  /** A copy of the state of the room, as the last holder has saved it; empty at first. */
  get state(): Uint8Array {
    return this.#state.slice();
  }

  /**
   * Saves the state of the room in the backplane, for the next holder. The backplane refuses it when another holder has
   * the lease.
   *
   * @param state at most 65,536 bytes
   * @returns a promise that resolves when it is saved
   * @throws {TypeError} if `state` is no Uint8Array
   * @throws {RangeError} if it is too large
   * @throws {ENetError} `ENETJS_ERR_LEASE` when the lease is lost
   */
  async save(state: Uint8Array): Promise<void> {
    if (!(state instanceof Uint8Array)) throw new TypeError("state must be a Uint8Array");
    integer(state.length, "state.length", 0, MOST_STATE);
    const copy = state.slice();
    await this.#write(() => void (this.#state = copy));
    if (!this.valid) throw this.#error("save");
  }

  /**
   * Sends a message to the members of the room, on all hosts, with the fencing number: a host that has had a message of a
   * later holder drops it.
   *
   * @param channelId as for `Target.send`
   * @param data as for `Target.send`
   * @param flags as for `Target.send`
   * @returns as for `Target.send`
   * @throws {TypeError} as for `Target.send`
   * @throws {RangeError} as for `Target.send`
   * @throws {ENetError} `ENETJS_ERR_LEASE` when the lease is lost
   */
  send(channelId: number, data: Data, flags: PacketFlag = PacketFlag.RELIABLE): number {
    if (!this.valid) throw this.#error("send");
    const { room, fence } = this;
    return this.#cluster.mail.sendFenced(
      topicOf("room", room),
      room,
      fence,
      channelId,
      data,
      flags,
    );
  }

  /**
   * Gives the lease up. Safe to call twice.
   *
   * @returns a promise that resolves when the backplane knows, or can't be told
   */
  async release(): Promise<void> {
    if (this.#lost.signal.aborted) return;
    this.#lose();
    await this.#writing;
    const record = { holder: undefined, ttlMs: 0, state: this.#state };
    await this.#store.put(this.#beginning.key, encodeRecord(record), this.#revision).catch(
      () => {},
    );
  }

  /** Does the same. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  #renewLater(): void {
    this.#timer = setTimeout(async () => {
      await this.#write(() => {});
      if (this.valid) this.#renewLater();
    }, this.#beginning.ttlMs / 3);
  }

  /** Writes the value, after the write that is under way. */
  #write(change: () => void): Promise<void> {
    const writing = this.#writing.then(() => this.#writeNow(change));
    this.#writing = writing;
    return writing;
  }

  async #writeNow(change: () => void): Promise<void> {
    const { key, holder, ttlMs } = this.#beginning;
    while (this.valid) {
      change();
      const at = performance.now();
      const bytes = encodeRecord({ holder, ttlMs, state: this.#state });
      try {
        const revision = await this.#store.put(key, bytes, this.#revision);
        if (revision === undefined && await this.#isOurs()) continue;
        if (revision === undefined) return this.#lose();
        this.#revision = revision;
        this.#expiresAt = at + ttlMs;
        return;
      } catch {
        // The link is down. It may be up again before the lease ends.
        await withTimeout(new Promise(() => {}), LOOK_EVERY_MS);
      }
    }
  }

  /** Whether the value is of an earlier write of this lease, whose answer was lost. */
  async #isOurs(): Promise<boolean> {
    const value = await this.#store.get(this.#beginning.key);
    const { holder } = this.#beginning;
    if (value === undefined || decodeRecord(value.bytes).holder !== holder) return false;
    this.#revision = value.revision;
    return true;
  }

  #lose(): void {
    clearTimeout(this.#timer);
    this.#forget();
    this.#lost.abort(this.#error("lease"));
  }

  #error(what: string): ENetError {
    return new ENetError(
      "ENETJS_ERR_LEASE",
      `${what} of ${this.room}: the lease ${this.fence} is over; claim the room again`,
    );
  }

  static {
    inside = {
      create: (cluster, store, beginning) => new Lease(cluster, store, beginning),
    };
  }
}

const leases: LeaseInside = inside;
