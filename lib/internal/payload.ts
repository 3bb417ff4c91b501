/** What a program sends, as bytes: their size, and where native code can take them. */
import { encoder } from "../../ffi/utf8.ts";
import { type Data, Packet, packets, viewOf } from "../packet.ts";
import type { HostMemory } from "./host_memory.ts";

/** A payload where native code can take it. */
export type Payload =
  | { readonly kind: "shared"; readonly offset: number; readonly length: number }
  | { readonly kind: "buffer"; readonly bytes: Uint8Array; readonly length: number }
  | { readonly kind: "packet"; readonly handle: number; readonly length: number };

/** What payloads must obey. */
interface Settings {
  readonly maximumPacketSize: number;
}

/** Refuses what is too large. */
export function requireSize(length: number, { maximumPacketSize }: Settings): void {
  if (length > maximumPacketSize) {
    throw new RangeError(
      `data of ${length} bytes is larger than maximumPacketSize, ${maximumPacketSize}`,
    );
  }
}

/** Checks data that will not be sent. */
export function requireSendable(data: Data, settings: Settings): void {
  if (typeof data === "string") requireSize(encoder.encode(data).length, settings);
  else requireSize(data instanceof Packet ? data.length : viewOf(data).length, settings);
}

/** The bytes, for the moment. */
export function dataBytes(data: Data): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : viewOf(data);
}

/** Puts what one call takes where native code finds it: into the scratch, unless it is there already. */
export class Staging {
  readonly #memory: HostMemory;
  readonly #settings: Settings;
  readonly #scratchOffset: number;

  constructor(memory: HostMemory, settings: Settings) {
    this.#memory = memory;
    this.#settings = settings;
    this.#scratchOffset = memory.block.length - memory.scratch.length;
  }

  /** A payload of checked size, valid until the next one. */
  stage(data: Data): Payload {
    const { scratch } = this.#memory;
    if (typeof data === "string") {
      if (data.length * 3 > scratch.length) return this.bytes(encoder.encode(data));
      const { written } = encoder.encodeInto(data, scratch);
      requireSize(written, this.#settings);
      return { kind: "shared", offset: this.#scratchOffset, length: written };
    }
    return data instanceof Packet ? this.#packet(data) : this.bytes(viewOf(data));
  }

  #packet(packet: Packet): Payload {
    const { length } = packet;
    requireSize(length, this.#settings);
    const source = packets.send(packet);
    if (source.kind === "native") return { kind: "packet", handle: source.handle, length };
    if (source === this.#memory && !this.#memory.stolen) {
      const offset = this.#memory.nativeOffset(packets.offset(packet));
      return { kind: "shared", offset, length };
    }
    return this.bytes(viewOf(packet));
  }

  /** The same of bytes. */
  bytes(bytes: Uint8Array): Payload {
    requireSize(bytes.length, this.#settings);
    const { scratch } = this.#memory;
    if (bytes.length > scratch.length) return { kind: "buffer", bytes, length: bytes.length };
    scratch.set(bytes);
    return { kind: "shared", offset: this.#scratchOffset, length: bytes.length };
  }

  /** Puts a datagram into the scratch. @returns its offset */
  datagram(bytes: Uint8Array): number {
    this.#memory.scratch.set(bytes);
    return this.#scratchOffset;
  }
}
