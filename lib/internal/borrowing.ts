/** Where the bytes of a packet are when they are neither in an arena nor in native memory. */

/** The bytes are in JavaScript memory of their own: the packet has them. */
export const OWNED = { kind: "owned" } as const;

/** The bytes are nowhere any more; why. */
export interface Gone {
  readonly kind: "gone";
  readonly why: string;
}

function borrowedUntil(until: string): Gone {
  const why =
    `it was borrowed until ${until}: take packet.bytes before you wait, or packet.retain()`;
  return { kind: "gone", why };
}

/** What becomes of a borrowed packet, by the way in which it was received. */
export const BORROWED = {
  BY_HANDLER: borrowedUntil("its handler returned"),
  BY_ITERATION: borrowedUntil("the next iteration"),
  BY_SERVICE: borrowedUntil("the next call of service()"),
} as const;

/** What becomes of one that is borrowed when its host is closed. */
export const CLOSED: Gone = borrowedUntil("its host was closed");

/** What becomes of a packet that the program has disposed of. */
export const DISPOSED: Gone = { kind: "gone", why: "it has been disposed of" };
