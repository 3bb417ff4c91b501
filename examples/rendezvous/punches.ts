/**
 * Punches: datagrams between two clients. Each opens the router of its sender for datagrams from the other client.
 * Each shows that its sender knows the secret of the two.
 *
 * The client that listens answers punches, the one that connects does not answer answers. So a forged punch, even of one
 * who knows the secret, leads to one datagram of the same length.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "@enetjs/enet";
import { idFrom, type Message, numberFrom, type Side, textOf } from "./wire.ts";

const PAUSE_MS = 100;
const PUNCHES = 30;
/** Of other clients, and of their addresses, so many are remembered. The oldest is forgotten first. */
const OTHERS = 64;
const ADDRESSES = 8;

/** Another client, as this one knows it. */
export interface Other {
  /** The side of this client. */
  readonly side: Side;
  /** What this client shows in its punches. */
  readonly proof: string;
  /** The number that the client that connects gives to `connect`. */
  readonly data: number;
  /** The addresses from which the other client may connect. */
  readonly proved: Set<string>;
  /** Resolves with the address to connect to, once a punch was answered from there. */
  readonly hole: PromiseWithResolvers<Address>;
  /** Whether this client has begun to punch. */
  isPunched: boolean;
  /** Whether no punch is needed any more. */
  isOpen: boolean;
  /** Whether this client has been told of too many others since. */
  isForgotten: boolean;
}

/** The other clients that this one has been told of. */
export class Punches {
  /** By what they have to show. */
  readonly #others = new Map<string, Other>();
  readonly #send: (to: Address | string, text: string) => void;
  readonly #signal: AbortSignal;

  /**
   * @param send sends a datagram
   * @param signal ends all punching
   */
  constructor(send: (to: Address | string, text: string) => void, signal: AbortSignal) {
    this.#send = send;
    this.#signal = signal;
  }

  /**
   * The other client of an introduction. Each proves itself with a hash of the secret and of both nonces. So a
   * proof is of no use in another introduction.
   */
  meet(secret: string, side: Side, mine: string, theirs: string): Other {
    const nonces = side === "connect" ? `${theirs} ${mine}` : `${mine} ${theirs}`;
    const proofOf = (side: Side) => idFrom(secret, `${side} ${nonces}`);
    const theirProof = proofOf(side === "connect" ? "listen" : "connect");
    const known = this.#others.get(theirProof);
    if (known !== undefined) return known;
    const other: Other = {
      side,
      proof: proofOf(side),
      data: numberFrom(secret, `data ${nonces}`),
      proved: new Set(),
      hole: Promise.withResolvers(),
      isPunched: false,
      isOpen: false,
      isForgotten: false,
    };
    this.#others.set(theirProof, other);
    const [[oldestProof, oldest]] = this.#others;
    if (this.#others.size > OTHERS) oldest.isForgotten = this.#others.delete(oldestProof);
    return other;
  }

  /** Punches for some seconds, once for each other client, and for no longer than the other one is remembered. */
  async punch(other: Other, address: string): Promise<void> {
    if (other.isPunched) return;
    other.isPunched = true;
    const isOver = () => other.isOpen || other.isForgotten || this.#signal.aborted;
    for (let i = 0; i < PUNCHES && !isOver(); i++) {
      this.#sendOne("punch", other, address);
      await sleep(PAUSE_MS);
    }
  }

  /** Takes what may be a punch or its answer. Whether it was one. */
  take(from: Address, { is, proof = "" }: Message): boolean {
    const other = this.#others.get(proof);
    if (other === undefined) return false;
    if (other.side === "listen" && is === "punch") {
      this.expect(other, from);
      this.#sendOne("answer", other, from);
    } else if (other.side === "connect" && is === "answer") {
      other.isOpen = true;
      other.hole.resolve(from);
    } else if (other.side === "connect" && !other.isOpen) {
      // It may come from another address than the server told of.
      this.#sendOne("punch", other, from);
    }
    return true;
  }

  /** From now on the other client may connect from an address, too. False where it may already. */
  expect({ proved }: Other, address: Address): boolean {
    const text = textOf(address);
    if (proved.has(text)) return false;
    proved.add(text);
    const [oldest] = proved;
    if (proved.size > ADDRESSES) proved.delete(oldest);
    return true;
  }

  /** Whether a client that wants to connect has proved itself, and knows the number. */
  admits(address: Address, data: number): boolean {
    const other = [...this.#others.values()].find((other) =>
      other.side === "listen" && other.data === data && other.proved.has(textOf(address))
    );
    if (other !== undefined) other.isOpen = true;
    return other !== undefined;
  }

  #sendOne(is: "punch" | "answer", { proof }: Other, to: Address | string): void {
    this.#send(to, JSON.stringify({ is, proof }));
  }
}
