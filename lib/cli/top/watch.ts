/**
 * Looks at a metrics server again and again, and shows what it tells.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { HostStatus, Status, StatusQuery } from "../../metrics/status.ts";
import type { StatusClient } from "./client.ts";
import { hint, press, readKeys, type View } from "./keys.ts";
import type { TopTerminal, TopValues } from "./options.ts";
import { lookLines, otherSamples } from "./screen.ts";

/** Rows of a terminal that are not for peers. */
const OTHER_ROWS = 8;

function printJson({ hosts, metrics }: Status, terminal: TopTerminal): void {
  for (const { table, ...host } of hosts) {
    terminal.print("host", host);
    for (const peer of table) {
      terminal.print("peer", { host: host.host, ...peer });
    }
  }
  for (const sample of otherSamples(metrics)) terminal.print("metric", { ...sample });
}

/** Looks again and again. */
export class Watch {
  readonly #client: StatusClient;
  readonly #terminal: TopTerminal;
  readonly #values: TopValues;
  #view: View;
  #last: Status | undefined;
  /** What stands below everything, until the next look. */
  #note = "";
  /** Ends the pause before the next look. */
  #wake = new AbortController();
  #isOver = false;

  constructor(client: StatusClient, values: TopValues, terminal: TopTerminal) {
    this.#client = client;
    this.#values = values;
    this.#terminal = terminal;
    this.#view = { sort: values.sort, filter: values.filter ?? "", typing: undefined };
  }

  /** The peers that are asked for: in a terminal, those that fit. */
  #peers(): number {
    const { rows } = this.#terminal.stdout as { rows?: number };
    const fit = this.#terminal.isLive && rows ? Math.max(3, rows - OTHER_ROWS) : 20;
    return this.#values.peers ?? fit;
  }

  #query(): StatusQuery {
    const { sort, filter } = this.#view;
    return { sort, filter, peers: this.#peers() };
  }

  #lines(): string[] {
    const status = this.#last;
    if (status === undefined) return [];
    return lookLines(status, { query: this.#query(), terminal: this.#terminal });
  }

  #draw(): void {
    const allowKick = this.#last?.allowKick === true;
    const { rows = 24 } = this.#terminal.stdout as { rows?: number };
    // More lines than the terminal has could not be replaced.
    const shown = this.#lines().slice(0, Math.max(1, rows - 3));
    const below = this.#note === "" ? hint(this.#view, allowKick) : this.#note;
    this.#terminal.live([...shown, this.#terminal.style("dim", below)]);
  }

  #show(): void {
    const terminal = this.#terminal;
    if (terminal.isLive) this.#draw();
    else if (terminal.isJson) printJson(this.#last!, terminal);
    else terminal.say(`${this.#lines().join("\n")}\n`);
  }

  #onKey(key: string): void {
    const [view, wish] = press(this.#view, key, this.#last?.allowKick === true);
    const isOther = view.sort !== this.#view.sort || view.filter !== this.#view.filter;
    this.#view = view;
    this.#note = "";
    if (wish !== undefined && "quit" in wish) this.#isOver = true;
    if (wish !== undefined && "kick" in wish) void this.#kick(wish.kick);
    if (isOther || this.#isOver) this.#wake.abort();
    else this.#draw();
  }

  /** Disconnects a peer of whichever host shows it. */
  async #kick(id: number): Promise<void> {
    const shows = ({ table }: HostStatus) => table.some((peer) => peer.id === id);
    const hosts = this.#last!.hosts.filter(shows);
    try {
      if (hosts.length > 1) this.#note = `Several hosts have a peer ${id}: use --kick and --host`;
      else {
        const isGone = hosts.length === 1 && await this.#client.kick(hosts[0].host, id);
        this.#note = isGone ? `Peer ${id} is disconnected` : `No peer ${id} is shown`;
      }
    } catch (error) {
      this.#note = (error as Error).message;
    }
    if (!this.#isOver && !this.#terminal.stop.aborted) this.#draw();
  }

  /** Looks once. An answer that fails is told, except the first one, without which there is nothing to show. */
  async #look(): Promise<void> {
    try {
      this.#last = await this.#client.look(this.#query());
      this.#note = "";
      this.#show();
    } catch (error) {
      if (this.#last === undefined) throw error;
      if (this.#terminal.stop.aborted) return;
      this.#note = (error as Error).message;
      if (this.#terminal.isLive) this.#draw();
      else this.#terminal.report(this.#note);
    }
  }

  /** Waits for the next look. */
  async #pause(): Promise<void> {
    this.#wake = new AbortController();
    const signal = AbortSignal.any([this.#terminal.stop, this.#wake.signal]);
    await sleep(this.#values.interval * 1000, undefined, { signal }).catch(() => {});
  }

  /** Looks until it is over. @returns the exit status */
  async run(): Promise<number> {
    const terminal = this.#terminal;
    const { count = Infinity } = this.#values;
    using _keys = readKeys(terminal, (key) => this.#onKey(key));
    for (let looks = 1;; looks++) {
      await this.#look();
      if (looks >= count || this.#isOver) break;
      await this.#pause();
      if (terminal.stop.aborted || this.#isOver) break;
    }
    // What was live vanishes, so that it is printed once more.
    if (terminal.isLive) terminal.say(this.#lines().join("\n"));
    return 0;
  }
}
