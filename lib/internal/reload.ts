/** Native objects that outlive a program which is replaced by a newer version of itself in the same process. */
import type { Runtime } from "../../ffi/contract.ts";

/** What can be closed. */
interface Closable {
  close(): void;
}

/** All that has to be closed then. */
export const reloadable = new Set<Closable>();

let watching = false;

/** Has it closed when the program is reloaded. Called before a port is bound, which an earlier load may still have. */
export function closeOnReload(runtime: Runtime): void {
  if (watching) return;
  watching = true;
  runtime.onReload(() => reloadable.forEach((closable) => closable.close()));
}
