/** What keeps the host from being collected. */
interface Pinned {
  pin(): void;
  unpin(): void;
}

/** A promise that is made when somebody asks for it, and keeps its host from being collected until it settles. */
export class PinnedPromise<T> {
  readonly #host: Pinned;
  #pending: PromiseWithResolvers<T> | undefined;

  constructor(host: Pinned) {
    this.#host = host;
  }

  /** The promise; after it has settled, the next one. */
  get promise(): Promise<T> {
    if (this.#pending === undefined) {
      this.#pending = Promise.withResolvers();
      this.#host.pin();
    }
    return this.#pending.promise;
  }

  /** Whether somebody waits. */
  get waits(): boolean {
    return this.#pending !== undefined;
  }

  /** Resolves the promise, if somebody waits. @returns whether somebody did */
  resolve(value: T): boolean {
    const pending = this.#settle();
    pending?.resolve(value);
    return pending !== undefined;
  }

  /** Rejects it, if somebody waits. */
  reject(error: () => unknown): void {
    this.#settle()?.reject(error());
  }

  #settle(): PromiseWithResolvers<T> | undefined {
    const pending = this.#pending;
    if (pending !== undefined) this.#host.unpin();
    this.#pending = undefined;
    return pending;
  }
}
