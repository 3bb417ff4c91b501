import type { DropReason, RoomsEvent } from "./member.ts";

/** Milliseconds between two reports of one reason. */
const TELL_EVERY_MS = 1000;

/** What was dropped for one reason and not told yet. */
interface Untold {
  toldAt: number;
  messages: number;
  room: string | undefined;
}

/** Counts dropped messages, and tells the program now and then. */
export class Drops {
  /** How many there were, by reason. */
  readonly total: Record<DropReason, number> = { rate: 0, backplane: 0, log: 0, gap: 0 };
  readonly #untold = new Map<DropReason, Untold>();
  readonly #tell: (event: RoomsEvent) => void;

  constructor(tell: (event: RoomsEvent) => void) {
    this.#tell = tell;
  }

  add(reason: DropReason, room: string | undefined, now: number): void {
    this.total[reason]++;
    const untold = this.#untold.get(reason) ?? { toldAt: -Infinity, messages: 0, room };
    this.#untold.set(reason, untold);
    untold.messages++;
    untold.room = room;
    this.#report(reason, untold, now);
  }

  /** To be called now and then. */
  tick(now: number): void {
    for (const [reason, untold] of this.#untold) this.#report(reason, untold, now);
  }

  #report(reason: DropReason, untold: Untold, now: number): void {
    const { messages, room } = untold;
    if (messages === 0 || now - untold.toldAt < TELL_EVERY_MS) return;
    untold.toldAt = now;
    untold.messages = 0;
    this.#tell({ type: "dropped", reason, messages, room });
  }
}
