/**
 * What is known of the flows of a capture: the datagrams between two addresses. A bounded number of flows is kept, and
 * of each a bounded number of commands.
 *
 * @module
 */
import type { Command, EnetDatagram } from "./enet.ts";
import type { UdpDatagram } from "./udp.ts";

/** Flows that are kept; the one that has been quiet for the longest goes first. */
const MAXIMUM_FLOWS = 1024;
/** Commands of a direction that are remembered, to recognize them when they are sent again. */
const REMEMBERED = 256;

/** Commands that were acknowledged or not, of one direction. */
class Recent {
  readonly #keys = new Set<string>();

  /** Notes a command. @returns whether it was there before */
  note({ name, channel, sequence }: Command): boolean {
    const key = `${name} ${channel} ${sequence}`;
    if (this.#keys.delete(key)) {
      this.#keys.add(key);
      return true;
    }
    this.#keys.add(key);
    if (this.#keys.size > REMEMBERED) this.#keys.delete(this.#keys.values().next().value!);
    return false;
  }
}

/** A flow. */
export class Flow {
  /** Who has sent first. */
  readonly from: string;
  readonly to: string;
  datagrams = 0;
  bytes = 0;
  /** Datagrams that are neither ENet's nor of its encryption, or damaged. */
  others = 0;
  encrypted = 0;
  /** How often each command has come. */
  readonly commands: Map<string, number> = new Map();
  sentAgain = 0;
  faults = 0;
  /** Of the connection that is under way. */
  connectId: number | undefined;
  readonly #recent: Record<string, Recent>;

  constructor(from: string, to: string) {
    this.from = from;
    this.to = to;
    this.#recent = { [from]: new Recent(), [to]: new Recent() };
  }

  /** Counts a datagram of ENet. @returns which of its commands have been sent before */
  note({ from }: UdpDatagram, { commands, fault }: EnetDatagram): boolean[] {
    if (fault !== undefined) this.faults++;
    return commands.map((command) => {
      const { name, fields, isAcknowledged } = command;
      this.commands.set(name, (this.commands.get(name) ?? 0) + 1);
      if (name === "connect" || name === "verify connect") this.connectId = fields.connectId;
      const isAgain = isAcknowledged && this.#recent[from].note(command);
      if (isAgain) this.sentAgain++;
      return isAgain;
    });
  }
}

/** All flows. */
export class Flows {
  readonly #flows = new Map<string, Flow>();
  /** How many there were that are not kept any more. */
  forgotten = 0;

  /** The flow of a datagram. */
  of({ from, to, payload, missing }: UdpDatagram): Flow {
    const key = from < to ? `${from} ${to}` : `${to} ${from}`;
    const flow = this.#flows.get(key) ?? new Flow(from, to);
    this.#flows.delete(key);
    this.#flows.set(key, flow);
    if (this.#flows.size > MAXIMUM_FLOWS) {
      this.#flows.delete(this.#flows.keys().next().value!);
      this.forgotten++;
    }
    flow.datagrams++;
    flow.bytes += payload.length + missing;
    return flow;
  }

  /** Those that are kept, the ones with most bytes first. */
  get all(): Flow[] {
    return [...this.#flows.values()].sort((a, b) => b.bytes - a.bytes);
  }
}
