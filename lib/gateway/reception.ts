/**
 * Where the browsers of a gateway arrive: makes a session of each WebSocket, and looks after all of them with one timer.
 *
 * @module
 */
import { DisconnectCode } from "../disconnect.ts";
import type { Accounts } from "./accounts.ts";
import type { RtcConnection, RtcServer, RtcUser } from "./rtc_server.ts";
import { type Destination, Session, type SessionOwner } from "./session.ts";
import type { RtcSide } from "./link/signalling.ts";
import type { SocketClient, SocketHandlers, SocketRequest, Verdict } from "./socket/contract.ts";

/** How often sessions are looked at, in milliseconds. */
const TICK_MS = 100;

/** WebSockets of an address that are no browsers, at most: they have not said hello, or are being closed. */
const OTHERS_OF_ADDRESS = 64;

/** Browsers that a gateway has not let in, by cause. They get a refusal, with a {@linkcode DisconnectCode}. */
export interface GatewayRefusals {
  /** There were as many browsers as the gateway takes. */
  full: number;
  /** The address exceeded `limits.address.connects`. */
  limited: number;
  /** `accept` of the host, the server behind the gateway, or the address filter has refused. */
  denied: number;
  /** `accept` has not decided in time, or the server behind the gateway did not answer. */
  undecided: number;
  /** The address had as many browsers as `duplicatePeers` allows. */
  duplicate: number;
  /** The host was being closed. */
  closing: number;
}

const CAUSES: Readonly<Record<number, keyof GatewayRefusals>> = {
  [DisconnectCode.FULL]: "full",
  [DisconnectCode.LIMIT]: "limited",
  [DisconnectCode.UNDECIDED]: "undecided",
  [DisconnectCode.DUPLICATE]: "duplicate",
  [DisconnectCode.CLOSING]: "closing",
};

/** The sessions of a gateway. */
export class Reception implements SessionOwner {
  readonly accounts: Accounts;
  readonly destination: Destination;
  readonly warn: SessionOwner["warn"];
  readonly refusals: GatewayRefusals = {
    full: 0,
    limited: 0,
    denied: 0,
    undecided: 0,
    duplicate: 0,
    closing: 0,
  };
  readonly #rtc: RtcServer | undefined;
  readonly #sessions = new Set<Session>();
  #touched = new Set<Session>();
  #isClosing = false;
  readonly #timer: ReturnType<typeof setInterval>;
  #empty: (() => void) | undefined;
  /** What the sockets tell. */
  readonly handlers: SocketHandlers = {
    open: (client) => this.#open(client),
    message: (client, bytes, isText) => (client.tag as Session).receive(bytes, isText),
    close: (client, code, reason) => this.#closed(client.tag as Session, code, reason),
  };

  /**
   * @param rtc answers offers of data channels, if there is WebRTC
   * @param warn called with text for a program that is being debugged
   * @param everyTick called before the sessions are looked at
   */
  constructor(
    accounts: Accounts,
    destination: Destination,
    rtc: RtcServer | undefined,
    warn: SessionOwner["warn"],
    everyTick: () => void = () => {},
  ) {
    this.#rtc = rtc;
    this.accounts = accounts;
    this.destination = destination;
    this.warn = warn;
    this.#timer = setInterval(() => {
      everyTick();
      const now = performance.now();
      for (const session of this.#sessions) session.tick(now);
    }, TICK_MS);
  }

  /** Browsers that have said hello. */
  get size(): number {
    let count = 0;
    for (const { hasArrived } of this.#sessions) count += Number(hasArrived);
    return count;
  }

  /**
   * Whether a request may go on: its address decides first, then `accept`. While `accept` decides, the request counts
   * as a WebSocket that is no browser.
   */
  admits(
    request: SocketRequest,
    accept: ((request: SocketRequest) => Verdict | Promise<Verdict>) | undefined,
  ): Verdict | Promise<Verdict> {
    const verdict = this.#admits(request);
    return verdict === true && accept !== undefined ? this.#ask(request, accept) : verdict;
  }

  async #ask(
    request: SocketRequest,
    accept: (request: SocketRequest) => Verdict | Promise<Verdict>,
  ): Promise<Verdict> {
    const account = this.accounts.of(request.address);
    account.others++;
    try {
      return await accept(request);
    } finally {
      account.others--;
    }
  }

  #admits({ address: hostname }: SocketRequest): Verdict {
    if (this.#isClosing) return 503;
    if (!this.accounts.allows(hostname) && !this.accounts.refuses) return 403;
    return this.accounts.of(hostname).others < OTHERS_OF_ADDRESS || 429;
  }

  #open(client: SocketClient): void {
    const session = new Session(this, client);
    client.tag = session;
    this.#sessions.add(session);
    session.account.address.others++;
    // It was let in before the gateway began to close.
    if (this.#isClosing) session.dismiss(DisconnectCode.CLOSING);
  }

  #closed(session: Session, code: number, reason: string): void {
    session.closed(code, reason);
    session.account.address.others--;
  }

  arrived({ account: { address } }: Session): void {
    address.others--;
    address.sessions++;
  }

  refused(data: number): void {
    this.refusals[CAUSES[data] ?? "denied"]++;
  }

  left(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    const { address } = session.account;
    if (session.hasArrived) {
      address.sessions--;
      address.others++;
    }
    if (this.#sessions.size === 0) this.#empty?.();
  }

  offered({ client }: Session, offer: RtcSide, user: RtcUser): RtcConnection | undefined {
    if (this.#rtc === undefined) return void user.answered(undefined);
    return this.#rtc.answer(offer, client.localAddress, user);
  }

  touch(session: Session): void {
    this.#touched.add(session);
    if (this.#touched.size > 1) return;
    queueMicrotask(() => {
      const touched = this.#touched;
      this.#touched = new Set();
      for (const session of touched) session.flush();
    });
  }

  /** Ends all sessions after what is queued for them; resolves when they have ended, or after a time. */
  async dismiss(graceMs: number, data: number): Promise<void> {
    this.#isClosing = true;
    for (const session of [...this.#sessions]) session.dismiss(data);
    if (this.#sessions.size > 0 && graceMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#empty = resolve;
      const timer = setTimeout(resolve, graceMs);
      await promise;
      clearTimeout(timer);
    }
    for (const session of [...this.#sessions]) session.reset({ reason: "local", data });
    clearInterval(this.#timer);
  }
}
