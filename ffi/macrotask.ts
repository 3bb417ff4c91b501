/**
 * How this thread lets others have their turn: timers, sockets, and what else the event loop serves.
 * The runtimes differ in what they serve between two macrotasks of which kind, which was measured.
 * A message of a `MessageChannel` lets neither timers nor sockets in on any of them.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { MessageChannel } from "node:worker_threads";

type Macrotask = (call: () => void) => void;

/** As long as Deno has immediates, it polls sockets once in 61 rounds, tokio's `event_interval`. */
const ROUNDS_TO_SOCKETS = 64;

/** Sockets are served once in so many calls. Serving them takes ROUNDS_TO_SOCKETS rounds of about 1 µs. */
const CALLS_TO_SOCKETS = 2;

/** Deno runs timers in each round, but not sockets. */
function byRounds(): Macrotask {
  let calls = 0;
  const after = (call: () => void, rounds: number): void => {
    if (rounds === 1) setImmediate(call);
    else setImmediate(after, call, rounds - 1);
  };
  return (call) => after(call, ++calls % CALLS_TO_SOCKETS === 0 ? ROUNDS_TO_SOCKETS : 1);
}

/**
 * Bun lets timers and sockets in with each immediate. But when an uncaught error has called for the end
 * of the process, it waits until there is none: so the call itself is made by a message.
 */
function byMessage(): Macrotask {
  const calls: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.on("message", () => {
    const call = calls.shift();
    if (calls.length === 0) port1.unref();
    call?.();
  });
  port1.unref();
  return (call) => {
    calls.push(call);
    port1.ref();
    setImmediate(() => port2.postMessage(null));
  };
}

function createMacrotask(): Macrotask {
  const globals = globalThis as { Deno?: unknown; Bun?: unknown };
  if (globals.Deno) return byRounds();
  return globals.Bun ? byMessage() : setImmediate;
}

let macrotask: Macrotask | undefined;

/**
 * Calls a function after timers have had their turn, and sockets as well; on Deno these with every second
 * call. It keeps the process alive until then.
 */
export function callInNextTurn(call: () => void): void {
  macrotask ??= createMacrotask();
  macrotask(call);
}
