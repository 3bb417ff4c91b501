import { CONFIG, LAYOUT, PEER_OPTION, type PeerOption, SECURITY } from "../../ffi/layout.ts";
import type { Native } from "../../ffi/symbols.ts";
import { type ActiveConditions, simulations } from "../active_conditions.ts";
import type { Address } from "../address.ts";
import { type AddressFilter, compileFilter } from "../address_filter.ts";
import { check } from "../errors.ts";
import { encodeLimits, type ResolvedLimits } from "../limits.ts";
import { type Data, Packet, packets } from "../packet.ts";
import { type ClientFacts, clientFacts, PLAIN_CLIENT } from "./client_facts.ts";
import { NO_LINKS } from "./conditions_plan.ts";
import { hostAndPort, parseIp } from "./ip.ts";
import type { HostMemory } from "./host_memory.ts";
import { tryPassAddress } from "./native_address.ts";
import { Outbox } from "./outbox.ts";
import { dataBytes, type Payload, Staging } from "./payload.ts";
import type { Carried, Recipients, Transport } from "./transport.ts";

/** What UDP over IPv4 can carry. */
export const MAXIMUM_DATAGRAM = 65_507;

/** What the native transport needs of its host. */
interface NativeHost {
  readonly native: Native;
  readonly handle: number;
  readonly memory: HostMemory;
  readonly stats: Float64Array;
  readonly settings: { readonly highWaterMark: number; readonly maximumPacketSize: number };
  readonly resources: { readonly open: boolean };
  /** Something is queued. */
  touch(): void;
}

/** Carries the connections of a host over ENet: the calls of the native border that concern peers. */
export class NativeTransport implements Transport {
  readonly #host: NativeHost;
  readonly #native: Native;
  readonly #handle: number;
  readonly #memory: HostMemory;
  readonly #staging: Staging;
  readonly #outbox: Outbox;
  /** Bytes of all messages to several peers so far, which may be in the queue of any peer. */
  #broadcasted = 0;

  constructor(host: NativeHost) {
    this.#host = host;
    this.#native = host.native;
    this.#handle = host.handle;
    this.#memory = host.memory;
    this.#staging = new Staging(host.memory, host.settings);
    this.#outbox = new Outbox(host.native, host.handle, host.memory);
  }

  post(to: Carried, channelId: number, flags: number, data: Data): boolean {
    const isPacket = data instanceof Packet;
    if (!isPacket && !(data instanceof Uint8Array)) return false;
    const host = this.#host;
    const { highWaterMark, maximumPacketSize } = host.settings;
    const { length } = data;
    if (to.queuedAtMost + this.#broadcasted + length > highWaterMark) return false;
    if (length > maximumPacketSize || !host.resources.open) return false;
    const isTaken = isPacket
      ? this.#postPacket(to, channelId, flags, data)
      : this.#outbox.take(to, channelId, flags, data);
    if (!isTaken) return false;
    to.queuedAtMost += length;
    host.touch();
    return true;
  }

  #postPacket(to: Carried, channelId: number, flags: number, packet: Packet): boolean {
    const memory = packets.memory(packet);
    if (memory === undefined) return false;
    const offset = packets.offset(packet);
    return this.#outbox.takeFrom(memory.arenaWords, offset, to, channelId, flags, packet.length);
  }

  send(to: Carried, channelId: number, flags: number, data: Data, token: number): number {
    const result = this.#send(to.id, channelId, flags, this.#staging.stage(data), token);
    this.#host.touch();
    const queued = this.#memory.words[LAYOUT.WORD_QUEUED_BYTES] - this.#broadcasted;
    to.queuedAtMost = result === 0 ? queued : Infinity;
    to.full ||= result > 0;
    return result;
  }

  #send(peer: number, channelId: number, flags: number, data: Payload, token: number): number {
    const native = this.#native;
    const host = this.#handle;
    const { length } = data;
    switch (data.kind) {
      case "shared":
        return native.enetjs_peer_send(host, peer, channelId, flags, data.offset, length, token);
      case "buffer":
        return native.enetjs_peer_send_buffer(
          host,
          peer,
          channelId,
          flags,
          data.bytes,
          length,
          token,
        );
      case "packet":
        return native.enetjs_peer_send_packet(host, peer, channelId, flags, data.handle, token);
    }
  }

  broadcast(
    channelId: number,
    flags: number,
    data: Data,
    { ids, byteLength }: Recipients,
    mode: number,
  ): number {
    const payload = this.#staging.stage(data);
    if (byteLength === 0 && mode === LAYOUT.BROADCAST_TO) return 0;
    this.#host.touch();
    // An upper bound for the peers that do not get it.
    this.#broadcasted += payload.length;
    return check(
      this.#broadcast(channelId, flags, payload, ids, byteLength, mode),
      "Sending to several peers",
    );
  }

  #broadcast(
    channelId: number,
    flags: number,
    data: Payload,
    ids: Uint8Array,
    byteLength: number,
    mode: number,
  ): number {
    const native = this.#native;
    const host = this.#handle;
    const { length } = data;
    switch (data.kind) {
      case "shared":
        return native.enetjs_host_broadcast(
          host,
          channelId,
          flags,
          data.offset,
          length,
          ids,
          byteLength,
          mode,
        );
      case "buffer":
        return native.enetjs_host_broadcast_buffer(
          host,
          channelId,
          flags,
          data.bytes,
          length,
          ids,
          byteLength,
          mode,
        );
      case "packet":
        return native.enetjs_host_broadcast_packet(
          host,
          channelId,
          flags,
          data.handle,
          ids,
          byteLength,
          mode,
        );
    }
  }

  disconnect({ id }: Carried, data: number, mode: number): number {
    return this.#touched(this.#native.enetjs_peer_disconnect(this.#handle, id, data, mode));
  }

  reset({ id }: Carried): number {
    return this.#native.enetjs_peer_reset(this.#handle, id);
  }

  ping({ id }: Carried): number {
    return this.#touched(this.#native.enetjs_peer_ping(this.#handle, id));
  }

  set({ id }: Carried, option: PeerOption, a: number, b: number, c: number): number {
    const result = this.#native.enetjs_peer_set(this.#handle, id, option, a, b, c);
    // The other side is told of it.
    return option === PEER_OPTION.THROTTLE ? this.#touched(result) : result;
  }

  #touched(result: number): number {
    if (result >= 0) this.#host.touch();
    return result;
  }

  state({ id }: Carried): number {
    return this.#native.enetjs_peer_state(this.#handle, id);
  }

  stats({ id }: Carried): Float64Array | undefined {
    return this.#native.enetjs_peer_stats(this.#handle, id) < 0 ? undefined : this.#host.stats;
  }

  answer(question: number, verdict: number): void {
    this.#native.enetjs_host_answer(this.#handle, question, verdict);
  }

  limit(limits: ResolvedLimits): void {
    const encoded = encodeLimits(limits);
    const disconnects = Number(limits.peer.excess === "disconnect");
    check(
      this.#native.enetjs_host_set_limits(this.#handle, encoded, encoded.length, disconnects),
      "Setting the limits",
    );
  }

  filter(filter: Readonly<Required<AddressFilter>>): void {
    const { bytes, size } = compileFilter(filter);
    const native = this.#native;
    check(native.enetjs_host_set_filter(this.#handle, bytes, size), "Setting the filter");
    const refuses = Number(filter.refuse);
    check(
      native.enetjs_host_set(this.#handle, CONFIG.FILTER_REFUSES, refuses, 0),
      "Setting the filter",
    );
  }

  /** Has the host accept encrypted connections, and overwrites the keys. Before its first service. */
  secure(security: Uint8Array): void {
    const { length } = security;
    const result = this.#native.enetjs_host_set_security(this.#handle, security, length);
    security.fill(0);
    check(result, "Setting up encryption");
  }

  /** What is known about a client that native code has asked about. */
  questionFacts(question: number): ClientFacts {
    const out = new Uint8Array(SECURITY.FACTS_BYTES);
    const length = this.#native.enetjs_question_security(this.#handle, question, out, out.length);
    return length > 0 ? clientFacts(out.subarray(0, length)) : PLAIN_CLIENT;
  }

  /** Puts a simulated network in force, in place of the last one. */
  simulate(conditions: ActiveConditions | null, last: ActiveConditions | null): void {
    const [native, handle] = [this.#native, this.#handle];
    const counted = last?.stats;
    const links = conditions === null ? NO_LINKS : simulations.linksOf(conditions);
    const bytes = conditions === null ? 0 : links.length;
    const seed = conditions === null ? 0 : simulations.seedOf(conditions);
    check(native.enetjs_host_set_conditions(handle, links, bytes, seed), "Setting the conditions");
    if (last !== null && counted !== undefined) simulations.end(last, counted);
    if (conditions === null) return;
    simulations.begin(conditions, {
      blackout: (ms) => void check(native.enetjs_host_blackout(handle, ms), "Beginning a blackout"),
      fates: (out) =>
        void check(native.enetjs_host_fates(handle, out, out.length), "Reading the conditions"),
    });
  }

  /** Sends a raw datagram; returns false when it cannot be sent. */
  sendDatagram({ hostname, port }: Address, data: Data): boolean {
    const ip = parseIp(hostname);
    if (ip === undefined) {
      throw new TypeError(
        `address.hostname must be an IP address here, not "${hostname}": resolve it first`,
      );
    }
    const bytes = dataBytes(data);
    const { length } = bytes;
    if (length > MAXIMUM_DATAGRAM) {
      throw new RangeError(
        `data of ${length} bytes is larger than a datagram, ${MAXIMUM_DATAGRAM}`,
      );
    }
    if (!this.#host.resources.open) return false;
    const to = tryPassAddress(this.#host, ip);
    if (to === undefined) return false; // an interface can go before an answer does
    const offset = this.#staging.datagram(bytes);
    const native = this.#native;
    const sent = native.enetjs_host_send_datagram(this.#handle, to, port, offset, length);
    return check(sent, `Sending a datagram to ${hostAndPort({ hostname, port })}`) === length;
  }
}
