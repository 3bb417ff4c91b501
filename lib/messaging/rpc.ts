/**
 * Calls of functions on the other side: a request's value is `[name, ...arguments]`, its reply is the result.
 *
 * @module
 */
import { RefusalCode } from "./errors.ts";
import type { Connection, GetOptions, IncomingRequest } from "./types.ts";

/** The functions of an `Api` as the other side calls them: each returns a promise. */
export type Client<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...parameters: infer Parameters) => infer Result
    ? (...parameters: Parameters) => Promise<Awaited<Result>>
    : never;
};

/**
 * Lets the other side call functions. It takes the connection's requests and leaves its other handlers as they are.
 * Both sides need a codec.
 *
 * A function that throws refuses the call with `RefusalCode.FAILED` and the error's message. One that has to know
 * when nobody waits any more, or refuses with another code, needs the request: then give a function that makes the
 * object for each call.
 *
 * @param connection whose requests are calls
 * @param api the functions: own properties of the object, so that nothing else can be called; or what makes the
 *   object for a request
 *
 * @example
 * ```ts
 * import { client, json, Messenger, serve } from "@enetjs/enet/messaging";
 *
 * const api = { add: (a: number, b: number) => a + b };
 * await using listener = await Messenger.listen("udp://127.0.0.1:0", { codec: json }, {
 *   ready: (connection) => serve(connection, api),
 * });
 * await using connection = await Messenger.connect(listener.address, { codec: json });
 * const remote = client<typeof api>(connection);
 * console.log(await remote.add(1, 2)); // 3
 * ```
 */
export function serve<Api extends object, Context>(
  connection: Connection<Context>,
  api: Api | ((request: IncomingRequest<Context>) => Api),
): void {
  const others = connection.handlers;
  connection.handlers = {
    message: others.message?.bind(others),
    closed: others.closed?.bind(others),
    async request(request) {
      const call = request.data.value;
      const functions = typeof api === "function" ? api(request) : api;
      const [name, ...parameters] = Array.isArray(call) ? call : [];
      const isOwn = typeof name === "string" && Object.hasOwn(functions, name);
      const method = isOwn ? (functions as Record<string, unknown>)[name] : undefined;
      if (typeof method !== "function") {
        const text = typeof name === "string"
          ? `There is no function ${JSON.stringify(name)}`
          : "A call is a value [name, ...arguments], as client() sends it";
        request.refuse(RefusalCode.UNHANDLED, text);
      } else {
        const result: unknown = await method.apply(functions, parameters);
        // The function may have refused.
        if (request.open) request.reply(result);
      }
    },
  };
}

/**
 * The functions that the other side serves. Calling one sends a request; it rejects as {@linkcode Connection.get}
 * does.
 *
 * @param connection to the side that serves
 * @param options for each call
 * @returns an object with every function of the `Api`
 */
export function client<Api>(connection: Connection, options: GetOptions = {}): Client<Api> {
  return new Proxy({}, {
    get(_, name) {
      // An object with a function "then" would be taken for a promise.
      if (typeof name !== "string" || name === "then") return undefined;
      return async (...parameters: unknown[]) =>
        (await connection.get([name, ...parameters], options)).value;
    },
  }) as Client<Api>;
}
