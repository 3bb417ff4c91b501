/** A queue whose `shift` does not move what is behind. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  get size(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The first item, which stays. */
  peek(): T | undefined {
    return this.#items[this.#first];
  }

  shift(): T | undefined {
    if (this.#first === this.#items.length) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first++] = undefined;
    if (this.#first === this.#items.length) {
      this.#items = [];
      this.#first = 0;
    } else if (this.#first >= 1024 && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let i = this.#first; i < this.#items.length; i++) yield this.#items[i] as T;
  }

  /** Removes and returns the first item that a predicate chooses. */
  take(chosen: (item: T) => boolean): T | undefined {
    for (let i = this.#first; i < this.#items.length; i++) {
      if (!chosen(this.#items[i] as T)) continue;
      return i === this.#first ? this.shift() : this.#items.splice(i, 1)[0];
    }
  }

  /** Removes and returns, in order, what a predicate chooses. */
  extract(chosen: (item: T) => boolean): T[] {
    const taken: T[] = [];
    const kept: T[] = [];
    for (const item of this.#items.slice(this.#first) as T[]) {
      (chosen(item) ? taken : kept).push(item);
    }
    this.#items = kept;
    this.#first = 0;
    return taken;
  }
}
