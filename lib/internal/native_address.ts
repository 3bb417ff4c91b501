/**
 * Addresses at the native border. A call takes an IPv4 address as a number; an IPv6 address is put into words of the
 * shared block before the call. A record has an IPv4 address in one of its words; an IPv6 address comes in a record
 * of its own, before the record that it belongs to.
 *
 * @module
 */
import { LAYOUT } from "../../ffi/layout.ts";
import type { Native } from "../../ffi/symbols.ts";
import { decoder, encoder } from "../../ffi/utf8.ts";
import type { Address } from "../address.ts";
import { check, ENetError } from "../errors.ts";
import { formatIp, formatIPv4, type IpAddress, type IPv6Address } from "./ip.ts";
import { show } from "./validate.ts";

/** What is needed of an endpoint. */
interface Border {
  readonly native: Native;
  readonly handle: number;
  readonly memory: { readonly words: Uint32Array };
}

/** Longest name of an interface. */
const NAME_BYTES = 16;

/** The number of the interface that a zone names; 0 without a zone, undefined if there is no such interface. */
function findInterface(native: Native, zone: string): number | undefined {
  if (zone === "") return 0;
  const name = encoder.encode(zone);
  const found = native.enetjs_interface_number(name, name.length);
  const number = found === 0 && /^\d{1,9}$/.test(zone) ? Number(zone) : found;
  return number > 0 ? number : undefined;
}

/** The number of the interface that a zone names; 0 without a zone. */
export function interfaceOf(native: Native, { zone, words }: IPv6Address): number {
  const number = findInterface(native, zone);
  if (number !== undefined) return number;
  throw new ENetError(
    "ENETJS_ERR_ADDRESS_UNAVAILABLE",
    `The zone of ${formatIp({ zone, words })}, ${
      show(zone)
    }, is no network interface of this machine`,
  );
}

/**
 * Characters that a zone for {@linkcode parseIp} cannot have, and the one that stands for bytes that are no UTF-8.
 */
const NO_ZONE = /[%:/[\]\s\uFFFD]/;

/** The zone of an interface: its name, or its number where it has gone or the name can't stand in an address. */
function zoneOf(native: Native, number: number): string {
  if (number === 0) return "";
  const name = new Uint8Array(new ArrayBuffer(NAME_BYTES));
  const length = native.enetjs_interface_name(number, name, name.length);
  const zone = decoder.decode(name.subarray(0, Math.max(length, 0)));
  return zone === "" || NO_ZONE.test(zone) ? String(number) : zone;
}

function hostnameOf(native: Native, words: IPv6Address["words"], number: number): string {
  return formatIp({ words, zone: zoneOf(native, number) });
}

function passWords({ memory }: Border, words: IPv6Address["words"], number: number): number {
  memory.words.set([...words, number], LAYOUT.WORD_ENDPOINT);
  return LAYOUT.ENDPOINT;
}

/** Prepares a call with an address. @returns the argument that stands for it */
export function passAddress(border: Border, address: IpAddress): number {
  if (typeof address === "number") return address;
  return passWords(border, address.words, interfaceOf(border.native, address));
}

/** The same; undefined where the zone of the address is no interface. */
export function tryPassAddress(border: Border, address: IpAddress): number | undefined {
  if (typeof address === "number") return address;
  const number = findInterface(border.native, address.zone);
  return number === undefined ? undefined : passWords(border, address.words, number);
}

/**
 * The address that native code has told.
 *
 * @param address IPv4 and port in one number, or the port with a mark
 * @param words of an IPv6 address, and the number of its interface
 */
export function addressOf(
  native: Native,
  address: number,
  words: Uint32Array | Float64Array,
): Address {
  const port = address % 65536;
  if (address < LAYOUT.ADDRESS_IPV6) {
    return { hostname: formatIPv4(Math.floor(address / 65536)), port };
  }
  const [a, b, c, d, number] = words;
  return { hostname: hostnameOf(native, [a, b, c, d], number), port };
}

/** Where a host is. */
export function localAddress({ native, handle, memory: { words } }: Border): Address {
  const address = check(native.enetjs_host_address(handle), "Reading the address");
  return addressOf(native, address, words.subarray(LAYOUT.WORD_ENDPOINT));
}

/** The addresses in the records of a ring. */
export class RecordAddresses {
  readonly #native: Native;
  readonly #words: Uint32Array;
  /** The last IPv6 address, which belongs to the next record that refers to it. */
  #hostname = "";

  constructor({ native, memory }: Border) {
    this.#native = native;
    this.#words = memory.words;
  }

  /** Takes note of a record that is the address of the next one. */
  note(index: number): void {
    const words = this.#words;
    const address = [
      words[index + LAYOUT.RECORD_DATA],
      words[index + LAYOUT.RECORD_LENGTH],
      words[index + LAYOUT.RECORD_EXTRA],
      words[index + LAYOUT.RECORD_ADDRESS],
    ] as const;
    this.#hostname = hostnameOf(this.#native, address, words[index + LAYOUT.RECORD_TYPE] >>> 8);
  }

  /** Takes the address of a record, and its port, which stands in another word for each kind. */
  take(index: number, port: number): Address {
    const address = this.#words[index + LAYOUT.RECORD_ADDRESS];
    const isBefore = address === LAYOUT.ADDRESS_BEFORE;
    return { hostname: isBefore ? this.#hostname : formatIPv4(address), port };
  }
}
