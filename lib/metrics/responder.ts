/**
 * What a metrics server answers.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout } from "node:timers";
import { HEADERS, type Refusal, refuseAccess, refuseCommand, refuseName } from "./access.ts";
import { PAGE } from "./page/page.ts";
import { SCRIPT } from "./page/script.ts";
import { STYLE } from "./page/style.ts";
import type { ServePlan } from "./serve_options.ts";
import type { Sources } from "./sources.ts";
import { type Sort, SORTS, type StatusQuery, StatusReader } from "./status.ts";
import { acceptedFormat, FORMATS, metricsText } from "./text.ts";

/** Bytes of a command, and how long a client may take to send it. */
const MOST_BODY = 1024;
const BODY_MS = 5000;
/** Most peers of a host in an answer. */
const MOST_PEERS = 1000;
const MOST_FILTER = 64;

const JSON_TYPE = "application/json; charset=utf-8";
const TEXT_TYPE = "text/plain; charset=utf-8";

/** What everybody may have: it says nothing of the hosts. */
const FILES: Readonly<Record<string, readonly [type: string, content: string]>> = {
  "/": ["text/html; charset=utf-8", PAGE],
  "/page.css": ["text/css; charset=utf-8", STYLE],
  "/page.js": ["text/javascript; charset=utf-8", SCRIPT],
};

/** What an answer is. */
interface Answer {
  readonly status: number;
  readonly type: string;
  readonly content: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const refusal = ({ status, text }: Refusal): Answer => ({
  status,
  type: TEXT_TYPE,
  content: `${text}\n`,
  ...status === 401 && { headers: { "www-authenticate": "Bearer" } },
});

const json = (value: unknown): Answer => ({
  status: 200,
  type: JSON_TYPE,
  content: JSON.stringify(value),
});

/** Reads `?sort=traffic&filter=192.0.2&peers=50`; what is not understood is refused. */
function queryOf(parameters: URLSearchParams): StatusQuery | Refusal {
  const sort = parameters.get("sort") ?? "traffic";
  const filter = parameters.get("filter") ?? "";
  const peers = parameters.get("peers") ?? "100";
  if (!SORTS.includes(sort as Sort)) {
    return { status: 400, text: `sort must be one of ${SORTS.join(", ")}` };
  }
  if (filter.length > MOST_FILTER) {
    return { status: 400, text: `filter must have ${MOST_FILTER} characters at most` };
  }
  if (!/^\d{1,4}$/.test(peers) || Number(peers) > MOST_PEERS) {
    return { status: 400, text: `peers must be a number from 0 to ${MOST_PEERS}` };
  }
  return { sort: sort as Sort, filter, peers: Number(peers) };
}

/** The body of a command; undefined when it is too long, late, or cut off. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const late = setTimeout(() => request.destroy(), BODY_MS);
  try {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) {
      body += chunk;
      if (body.length > MOST_BODY) return undefined;
    }
    return body;
  } catch {
    return undefined;
  } finally {
    clearTimeout(late);
  }
}

/** The peer that a command names: `{"host": "0.0.0.0:7777", "peer": 12}`. */
function commandOf(body: string): { host: string; peer: number } | undefined {
  try {
    const { host, peer } = JSON.parse(body);
    return typeof host === "string" && typeof peer === "number" ? { host, peer } : undefined;
  } catch {
    return undefined;
  }
}

/** Answers the requests of a metrics server. */
export class Responder {
  readonly #sources: Sources;
  readonly #plan: ServePlan;
  readonly #status: StatusReader;
  /** Requests under way. */
  #count = 0;

  constructor(sources: Sources, plan: ServePlan) {
    this.#sources = sources;
    this.#plan = plan;
    this.#status = new StatusReader(sources, plan.allowKick);
  }

  async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#count++;
    response.once("close", () => this.#count--);
    const answer = this.#count > this.#plan.maximumRequests
      ? refusal({ status: 503, text: "There are too many requests: try again later" })
      : await this.#answer(request);
    const { status, type, content, headers } = answer;
    response.writeHead(status, { ...HEADERS, "content-type": type, ...headers });
    response.end(request.method === "HEAD" ? undefined : content);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { headers, method, url = "" } = request;
    const { token } = this.#plan;
    const asked = URL.parse(url, "http://localhost");
    const named = refuseName(headers, token);
    if (named !== undefined) return refusal(named);
    const path = asked?.pathname ?? "";
    if (path === "/kick") return await this.#kick(request);
    if (!Object.hasOwn(FILES, path) && path !== "/metrics" && path !== "/status.json") {
      return refusal({ status: 404, text: "There is nothing here" });
    }
    if (method !== "GET" && method !== "HEAD") {
      return { ...refusal({ status: 405, text: "Use GET" }), headers: { allow: "GET, HEAD" } };
    }
    if (Object.hasOwn(FILES, path)) {
      const [type, content] = FILES[path];
      return { status: 200, type, content };
    }
    const refused = refuseAccess(headers, token);
    if (refused !== undefined) return refusal(refused);
    return path === "/metrics" ? this.#metrics(headers.accept) : this.#statusOf(asked!);
  }

  #metrics(accept: string | undefined): Answer {
    const format = acceptedFormat(accept);
    const content = metricsText(this.#sources.families(this.#plan.peers), format);
    return { status: 200, type: FORMATS[format], content };
  }

  #statusOf({ searchParams }: URL): Answer {
    const query = queryOf(searchParams);
    return "status" in query ? refusal(query) : json(this.#status.read(query));
  }

  async #kick(request: IncomingMessage): Promise<Answer> {
    const { headers, method } = request;
    if (method !== "POST") {
      return { ...refusal({ status: 405, text: "Use POST" }), headers: { allow: "POST" } };
    }
    const refused = refuseAccess(headers, this.#plan.token) ??
      refuseCommand(headers, this.#plan.allowKick);
    if (refused !== undefined) return refusal(refused);
    const body = await bodyOf(request);
    const command = body === undefined ? undefined : commandOf(body);
    if (command === undefined) {
      return refusal({ status: 400, text: 'The body must be {"host": "ADDRESS", "peer": ID}' });
    }
    return json({ kicked: this.#status.kick(command.host, command.peer) });
  }
}
