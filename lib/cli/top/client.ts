/**
 * Asks a metrics server.
 *
 * @module
 */
import { show } from "../../../ffi/show.ts";
import type { Status, StatusQuery } from "../../metrics/status.ts";
import { UsageError } from "../frame/options.ts";
import { quoted } from "../frame/text.ts";

/** How long an answer may take. */
const ANSWER_MS = 10_000;

/** A command line gives the address of the page, or of what is below it. */
function baseOf(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new UsageError(
      `URL must be that of a metrics server, as http://127.0.0.1:9464/, not ${show(text)}`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new UsageError("the token does not belong into URL: use --token-file");
  }
  url.search = url.hash = "";
  url.pathname = url.pathname.replace(/(metrics|status\.json)$/, "").replace(/\/?$/, "/");
  return url;
}

/** Whether an answer is one of `serveMetrics`. */
function isStatus(value: unknown): value is Status {
  const { hosts, metrics } = value as Partial<Status> ?? {};
  return Array.isArray(hosts) && Array.isArray(metrics) &&
    hosts.every((host) => typeof host?.host === "string" && Array.isArray(host.table));
}

/** What asks. */
export class StatusClient {
  readonly #base: URL;
  readonly #token: string | undefined;
  readonly #stop: AbortSignal;

  /**
   * @param stop ends every request
   * @throws {UsageError} When the text is no address of a metrics server.
   */
  constructor(text: string, token: string | undefined, stop: AbortSignal) {
    this.#base = baseOf(text);
    this.#token = token;
    this.#stop = stop;
  }

  /** Where the server is. */
  get url(): string {
    return this.#base.href;
  }

  /** Asks for the state of the hosts. */
  async look({ sort, filter, peers }: StatusQuery): Promise<Status> {
    const query = new URLSearchParams({ sort, filter, peers: `${peers}` });
    const status = await this.#ask(`status.json?${query}`, {});
    if (isStatus(status)) return status;
    throw new Error(`${this.url} is no metrics server of @enetjs/enet: see serveMetrics`);
  }

  /** Disconnects a peer. @returns whether there was such a peer */
  async kick(host: string, peer: number): Promise<boolean> {
    const answer = await this.#ask("kick", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ host, peer }),
    });
    return (answer as { kicked?: unknown } | null)?.kicked === true;
  }

  async #ask(path: string, init: RequestInit): Promise<unknown> {
    const headers = new Headers(init.headers);
    if (this.#token !== undefined) headers.set("authorization", `Bearer ${this.#token}`);
    const signal = AbortSignal.any([this.#stop, AbortSignal.timeout(ANSWER_MS)]);
    const response = await this.#fetch(new URL(path, this.#base), { ...init, headers, signal });
    const text = await response.text();
    if (response.status === 401) {
      throw new Error(`${this.url} asks for a token: use --token-file or ENETJS_METRICS_TOKEN`);
    }
    if (!response.ok) {
      throw new Error(
        `${this.url} answers ${response.status}: ${quoted(text.slice(0, 200).trim())}`,
      );
    }
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, { ...init, redirect: "error" });
    } catch (cause) {
      if (this.#stop.aborted) throw this.#stop.reason;
      const { message, cause: reason } = cause as Error;
      const why = reason instanceof Error && reason.message !== "" ? reason.message : message;
      throw new Error(`${this.url} does not answer: ${why}`, { cause });
    }
  }
}
