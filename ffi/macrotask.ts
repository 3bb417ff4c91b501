/**
 * Yields to the event loop, so that it runs timers and serves sockets. What a runtime runs between two
 * macrotasks depends on their kind, and was measured. Between two messages of a `MessageChannel`, no
 * runtime runs timers or serves sockets.
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
 * Bun runs timers and serves sockets with each immediate. After an uncaught error, Bun ends the process only once
 * no immediate is left. So a message makes the call itself.
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
 * Calls a function after due timers have run and sockets were served. On Deno, sockets are served with every
 * second call. The process stays alive until the call.
 */
export function callInNextTurn(call: () => void): void {
  macrotask ??= createMacrotask();
  macrotask(call);
}
