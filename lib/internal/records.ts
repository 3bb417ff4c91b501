import { LAYOUT } from "../../ffi/layout.ts";
import { surface } from "../../ffi/surface.ts";
import type { DisconnectReason } from "../disconnect.ts";
import type { HostEvent } from "../events.ts";
import { type Packet, packets } from "../packet.ts";
import { peers } from "../peer.ts";
import { BORROWED, type Gone } from "./borrowing.ts";
import { type ClientFacts, clientFacts, PLAIN_CLIENT } from "./client_facts.ts";
import { Connection } from "./connection.ts";
import { END_REASONS } from "./connection_contract.ts";
import type { Consumer } from "./consumer.ts";
import type { Endpoint } from "./endpoint.ts";
import { RecordAddresses } from "./native_address.ts";
import { NativePacket } from "./native_packet.ts";
import type { Roster } from "./roster.ts";

// Compilers take these for constants, but not the properties of an object that is imported.
const { RECORD_GENERATION, RECORD_PEER } = LAYOUT;

/** Reads the records of the event ring, see `native/include/enetjs.h`. An index is that of a record's first word. */
export class Records {
  readonly #endpoint: Endpoint;
  readonly #roster: Roster;
  readonly #consumer: Consumer;
  readonly #words: Uint32Array;
  readonly #addresses: RecordAddresses;
  /** What is known about the client of the next connect event. */
  #facts: ClientFacts = PLAIN_CLIENT;

  constructor(endpoint: Endpoint, roster: Roster, consumer: Consumer) {
    this.#endpoint = endpoint;
    this.#roster = roster;
    this.#consumer = consumer;
    this.#words = endpoint.memory.words;
    this.#addresses = new RecordAddresses(endpoint);
  }

  /** The connection of a record. */
  connectionOf(index: number): Connection | undefined {
    const words = this.#words;
    return this.#roster.find(
      words[index + RECORD_PEER],
      words[index + RECORD_GENERATION],
    );
  }

  /** Whether a record is a message, of a channel. */
  isMessage(index: number): boolean {
    const kind = this.#words[index + LAYOUT.RECORD_TYPE] & 0xFF;
    return kind === LAYOUT.EVENT_RECEIVE || kind === LAYOUT.EVENT_PACKET;
  }

  /** The channel of a record's message. */
  channelOf(index: number): number {
    return this.#words[index + LAYOUT.RECORD_TYPE] >>> 8 & 0xFF;
  }

  /** The size of a record's message, in bytes. */
  lengthOf(index: number): number {
    return this.#words[index + LAYOUT.RECORD_LENGTH];
  }

  /** Whether the next record is a connect event, or something about the client of one. */
  get isNextConnect(): boolean {
    const type = this.#words[this.#endpoint.events.record + LAYOUT.RECORD_TYPE] & 0xFF;
    return type === LAYOUT.EVENT_CONNECT || type === LAYOUT.RECORD_ENDPOINT ||
      type === LAYOUT.EVENT_CLIENT;
  }

  /** Gives the oldest record back to native code, with its bytes. */
  release(): void {
    const { events, memory } = this.#endpoint;
    memory.consume(this.#words[events.record + LAYOUT.RECORD_ARENA_TAIL]);
    events.advance();
  }

  /** The connection of a connect record: an existing object if this host opened it, else a new one. */
  #connect(index: number): Connection {
    const existing = this.connectionOf(index);
    const address = this.#address(index);
    if (existing !== undefined) return existing;
    const words = this.#words;
    const id = words[index + RECORD_GENERATION] * LAYOUT.PEER_SLOTS +
      words[index + RECORD_PEER];
    const channels = words[index + LAYOUT.RECORD_LENGTH];
    const { transport } = this.#endpoint;
    const connection = new Connection(this.#endpoint, transport, id, address, channels, false);
    this.#roster.add(connection);
    connection.established = true;
    return connection;
  }

  #address(index: number) {
    return this.#addresses.take(index, this.#words[index + LAYOUT.RECORD_EXTRA]);
  }

  /** The packet of a record, or undefined if its bytes are lost. */
  #packet(index: number, until: Gone): Packet | undefined {
    const { library, memory } = this.#endpoint;
    const words = this.#words;
    const type = words[index + LAYOUT.RECORD_TYPE];
    const data = words[index + LAYOUT.RECORD_DATA];
    const length = words[index + LAYOUT.RECORD_LENGTH];
    const flags = type >>> 16;
    if ((type & 0xFF) === LAYOUT.EVENT_PACKET) {
      const handle = words[index + LAYOUT.RECORD_EXTRA] * 2 ** 32 + data;
      return packets.fromNative(NativePacket.received(library, handle, length), flags, until);
    }
    if (this.#isLost(data, length)) return undefined;
    return packets.fromArena(memory, memory.offsetOf(data), length, flags, until);
  }

  /** Whether the program has transferred the bytes at an arena position away; reports that as an error. */
  #isLost(position: number, length: number): boolean {
    const { memory } = this.#endpoint;
    if (!memory.stolen && !memory.isLost(position)) return false;
    surface(
      new TypeError(
        "The buffer of a borrowed view was transferred away, and with it a message of " +
          `${length} bytes that had not been taken yet: transfer view.slice().buffer instead`,
      ),
    );
    return true;
  }

  /**
   * The event of a record, with a borrowed packet; undefined where there is none for the host. A message that
   * another consumer takes goes to that one.
   */
  event(index: number): HostEvent | undefined {
    const type = this.#words[index + LAYOUT.RECORD_TYPE];
    const data = this.#words[index + LAYOUT.RECORD_DATA];
    switch (type & 0xFF) {
      case LAYOUT.RECORD_ENDPOINT:
        this.#addresses.note(index);
        return undefined;
      case LAYOUT.EVENT_CLIENT: {
        const packet = this.#packet(index, BORROWED.BY_ITERATION);
        if (packet === undefined) return undefined;
        this.#facts = clientFacts(packet.bytes);
        packets.release(packet);
        return undefined;
      }
      case LAYOUT.EVENT_CONNECT: {
        const connection = this.#connect(index);
        if (!connection.outgoing) connection.facts = this.#facts;
        this.#facts = PLAIN_CLIENT;
        if (connection.abandoned) return undefined;
        return { type: "connect", peer: peers.of(connection), data };
      }
      case LAYOUT.EVENT_DISCONNECT: {
        const connection = this.connectionOf(index) as Connection;
        // Only a connection that was never established can be refused.
        const reason = END_REASONS[this.#words[index + LAYOUT.RECORD_EXTRA]] as DisconnectReason;
        connection.close({ reason, data });
        this.#roster.forget(connection);
        if (connection.abandoned) return undefined;
        return { type: "disconnect", peer: peers.of(connection), reason, data };
      }
      case LAYOUT.EVENT_MOVED: {
        const connection = this.connectionOf(index);
        const address = this.#address(index);
        if (connection === undefined) return undefined;
        connection.address = address;
        return { type: "moved", peer: peers.of(connection), address };
      }
      case LAYOUT.EVENT_DATAGRAM: {
        const packet = this.#packet(index, this.#consumer.until);
        return packet && { type: "datagram", address: this.#address(index), packet };
      }
      default:
        return this.#message(index, type >>> 8 & 0xFF);
    }
  }

  #message(index: number, channelId: number): HostEvent | undefined {
    const connection = this.connectionOf(index) as Connection;
    const isTaken = connection.takes(channelId);
    const packet = this.#packet(index, isTaken ? BORROWED.BY_ITERATION : this.#consumer.until);
    if (packet === undefined) return undefined;
    if (!isTaken) return { type: "receive", peer: peers.of(connection), channelId, packet };
    if (connection.drops(channelId)) packets.release(packet);
    else {
      packets.own(packet);
      connection.receive({ channelId, packet });
    }
    return undefined;
  }
}

/** Notes that a connection was reported to the program, so that its end must be, too; or that this has been. */
export function announce(event: HostEvent): void {
  if (event.type === "connect") peers.connectionOf(event.peer).announced = true;
  else if (event.type === "disconnect") peers.connectionOf(event.peer).gone = true;
}
