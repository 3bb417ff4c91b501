import { LAYOUT } from "../../ffi/layout.ts";
import type { ConnectAttempt } from "../admission.ts";
import { ENetError } from "../errors.ts";
import { cipherOf, encryptedBy } from "./client_facts.ts";
import type { Connection } from "./connection.ts";
import { END_REASONS, type Ending } from "./connection_contract.ts";
import type { Endpoint } from "./endpoint.ts";
import { RecordAddresses } from "./native_address.ts";
import { sweepLingering } from "./native_packet.ts";
import { unreachableOf } from "./no_answer.ts";
import type { Roster } from "./roster.ts";

/** What completions are reported to: the host's inlet. */
interface CompletionInlet {
  /** A client wants to connect. */
  onAttempt(
    transport: Endpoint["transport"],
    question: number,
    attempt: ConnectAttempt,
    ageMs: number,
  ): void;
  /** A connection that this host has opened is established. */
  connected(connection: Connection): void;
  /** The socket has failed. */
  failed(error: ENetError): void;
  /** No peer is left after `enetjs_host_shutdown`. */
  shutDown(): void;
}

/**
 * Reads the completion ring: what has become of things that the program, or this library, has begun. See
 * `ENETJS_COMPLETION_…` in `native/include/enetjs_layout.h`.
 */
export class Completions {
  readonly #endpoint: Endpoint;
  readonly #roster: Roster;
  /** The program has been warned of a message that was refused for its size. */
  #hasWarnedOfSize = false;
  readonly #inlet: CompletionInlet;
  readonly #addresses: RecordAddresses;

  constructor(endpoint: Endpoint, roster: Roster, inlet: CompletionInlet) {
    this.#endpoint = endpoint;
    this.#roster = roster;
    this.#inlet = inlet;
    this.#addresses = new RecordAddresses(endpoint);
  }

  /** Takes all there are. */
  read(): void {
    const { completions, deliveries, memory: { words }, resources } = this.#endpoint;
    sweepLingering();
    let undelivered: number[] | undefined;
    while (resources.open && !completions.empty) {
      const index = completions.record;
      const type = words[index + LAYOUT.RECORD_TYPE];
      if ((type & 0xFF) === LAYOUT.COMPLETION_QUESTION) {
        this.#ask(index, type >>> 8 & 0xFF);
        continue;
      }
      if ((type & 0xFF) === LAYOUT.RECORD_ENDPOINT) {
        this.#addresses.note(index);
        completions.advance();
        continue;
      }
      const data = words[index + LAYOUT.RECORD_DATA];
      const length = words[index + LAYOUT.RECORD_LENGTH];
      const extra = words[index + LAYOUT.RECORD_EXTRA];
      const connection = this.#roster.find(
        words[index + LAYOUT.RECORD_PEER],
        words[index + LAYOUT.RECORD_GENERATION],
      );
      completions.advance();
      if (type === LAYOUT.COMPLETION_DELIVERED) deliveries.settle(data, true);
      else if (type === LAYOUT.COMPLETION_UNDELIVERED) (undelivered ??= []).push(data);
      else if (type === LAYOUT.COMPLETION_FAILED) this.#fail(data);
      else if (type === LAYOUT.COMPLETION_SHUTDOWN) this.#inlet.shutDown();
      else if (connection !== undefined) this.#tell(connection, type, data, length, extra);
    }
    // Last, when the reason why the connection ended is known.
    for (const token of undelivered ?? []) deliveries.settle(token, false);
  }

  /** What concerns one connection. */
  #tell(connection: Connection, type: number, data: number, length: number, extra: number): void {
    switch (type) {
      case LAYOUT.COMPLETION_DRAIN:
        return connection.drain();
      case LAYOUT.COMPLETION_CONNECTED:
        if (connection.abandoned) {
          connection.established = true; // its events are to come, and forget it
          return;
        }
        connection.connected(length);
        return this.#inlet.connected(connection);
      case LAYOUT.COMPLETION_CLOSED:
        return this.#closed(connection, { reason: END_REASONS[extra], data });
      case LAYOUT.COMPLETION_SECURED:
        connection.facts = encryptedBy(cipherOf(data));
        return;
      case LAYOUT.COMPLETION_UNREACHABLE:
        connection.unreachable = unreachableOf(data);
        return connection.onUnreachable?.();
      case LAYOUT.COMPLETION_TOO_LARGE:
        return this.#tooLarge(connection, data, extra);
      case LAYOUT.COMPLETION_SENT_RELIABLY:
        return this.#endpoint.warn(
          connection,
          `ENet sends an unreliable message of ${data} bytes reliably, because a datagram holds ${extra}: ` +
            "send it with PacketFlag.UNRELIABLE_FRAGMENT, or make it smaller. " +
            "peer.stats.unreliableSentReliably counts such messages.",
        );
    }
  }

  #tooLarge(connection: Connection, length: number, largest: number): void {
    connection.onTooLarge?.(length);
    if (this.#hasWarnedOfSize) return;
    this.#hasWarnedOfSize = true;
    this.#endpoint.warn(
      connection,
      `its message of ${length} bytes is refused, because maximumPacketSize is ${largest} here. ` +
        "It is never acknowledged, so the connection will time out: raise maximumPacketSize, or send less " +
        "at a time.",
    );
  }

  /** Passes a question on. */
  #ask(index: number, channels: number): void {
    const { closing, completions, memory: { words }, transport } = this.#endpoint;
    const question = words[index + LAYOUT.RECORD_EXTRA];
    const data = words[index + LAYOUT.RECORD_DATA];
    const address = this.#addresses.take(index, words[index + LAYOUT.RECORD_LENGTH]);
    const ageMs = words[index + LAYOUT.RECORD_GENERATION];
    completions.advance();
    if (closing) return; // native code has refused it
    const facts = transport.questionFacts(question);
    this.#inlet.onAttempt(transport, question, { address, data, channels, ...facts }, ageMs);
  }

  /** A connection that was established is forgotten with its disconnect event, which is behind its messages. */
  #closed(connection: Connection, ending: Ending): void {
    connection.close(ending);
    if (!connection.established) this.#roster.forget(connection);
  }

  #fail(errno: number): void {
    const error = new ENetError(
      "ENETJS_ERR_SOCKET",
      `The host's socket failed with error ${errno}`,
    );
    for (const connection of this.#roster) connection.failure = error;
    this.#inlet.failed(error);
  }
}
