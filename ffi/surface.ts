/** The standard function, which Node does not have. */
interface ErrorReporter {
  reportError?(error: unknown): void;
}

/**
 * Hands an error of the program's own code to the runtime, as uncaught, once the caller is done.
 *
 * Throwing again would make Bun show this line as the error's place. `reportError` keeps the place where the
 * program threw it.
 */
export function surface(error: unknown): void {
  queueMicrotask(() => {
    const { reportError } = globalThis as ErrorReporter;
    if (reportError === undefined) throw error;
    reportError(error);
  });
}
