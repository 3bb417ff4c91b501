/**
 * Descriptors whose readiness the event loop learns: pipes, terminals and files, which the event loops of the runtimes
 * take each in another way, or not at all.
 *
 * @module
 */
import type { Wake } from "../../../ffi/contract.ts";
import { LAYOUT } from "../../../ffi/layout.ts";
import type { Library } from "../../../ffi/loader.ts";
import { openWake, type StartWaker } from "../../../ffi/wake.ts";
import { check } from "../../errors.ts";
import { loadLibrary } from "../../internal/library.ts";

/** What to wait for. The end of the other side is always waited for. */
const WANTED = { read: LAYOUT.WATCH_READ, write: LAYOUT.WATCH_WRITE, hangUp: 0 } as const;

/** Tells when a descriptor can be read or written. */
export class Readiness implements Disposable {
  readonly #native: Library["native"];
  readonly #watch: number;
  readonly #ready: () => void;
  #wake: Wake | undefined;
  #closed = false;

  private constructor(native: Library["native"], watch: number, ready: () => void) {
    this.#native = native;
    this.#watch = watch;
    this.#ready = ready;
  }

  /**
   * Watches a descriptor, which must stay open until this is disposed of.
   *
   * @param fd the descriptor
   * @param ready called once for each time that it was armed and has become ready
   * @throws {ENetError} When the native library is missing, or the system has no thread or descriptor left.
   */
  static async of(fd: number, ready: () => void): Promise<Readiness> {
    const library = await loadLibrary();
    const { native } = library;
    let opened: Readiness | undefined;
    const start: StartWaker = (port, secret) => {
      const watch = native.enetjs_watch_open(fd, port, secret, secret.length);
      opened = new Readiness(native, check(watch, "Watching a descriptor"), ready);
      return native.enetjs_watch_descriptor(watch);
    };
    try {
      const wake = await openWake(library, start, () => opened!.#onWake());
      opened!.#wake = wake;
      return opened!;
    } catch (error) {
      opened?.[Symbol.dispose]();
      throw error;
    }
  }

  /** Waits once; in place of what it waited for before. */
  arm(wanted: keyof typeof WANTED): void {
    if (!this.#closed) this.#native.enetjs_watch_arm(this.#watch, WANTED[wanted]);
  }

  #onWake(): void {
    // One byte may announce nothing new: the work has been done with the byte before.
    if (!this.#closed && this.#native.enetjs_watch_ready(this.#watch) > 0) this.#ready();
  }

  /** Stops watching. The descriptor may then be closed. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.enetjs_watch_close(this.#watch);
    this.#wake?.close();
  }
}
