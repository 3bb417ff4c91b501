import assert from "node:assert/strict";
import { test } from "node:test";
import { Handshakes } from "../../../lib/gateway/socket/handshakes.ts";

/** A handshake that does nothing but end. */
class Idle {
  readonly address: string;
  readonly #all: Handshakes;
  ended: string | undefined;

  constructor(all: Handshakes, address: string) {
    this.#all = all;
    this.address = address;
    all.add(this);
  }

  #end(how: string): void {
    this.ended = how;
    this.#all.delete(this);
  }

  abandon(): void {
    this.#end("abandoned");
  }

  dismiss(): void {
    this.#end("dismissed");
  }
}

test("Above the limit, the oldest handshake ends of the address that has most", () => {
  const all = new Handshakes(10);
  const honest = ["192.0.2.1", "2001:db8:1::1", ""].map((address) => new Idle(all, address));
  // One network of IPv6 is one address.
  const flood = Array.from({ length: 1000 }, (_, i) => new Idle(all, `2001:db8:2::${i % 999}`));
  assert.equal(all.size, 10);
  const late = new Idle(all, "192.0.2.2");
  for (const { ended } of [...honest, late]) assert.equal(ended, undefined);
  assert.equal(flood.filter(({ ended }) => ended === undefined).length, 6);
  assert.equal(flood.findIndex(({ ended }) => ended === undefined), 994);
});

test("What has ended is forgotten, also when it ends twice; the rest ends as one says", () => {
  const all = new Handshakes(4);
  const [first, second] = ["192.0.2.1", "192.0.2.1"].map((address) => new Idle(all, address));
  all.delete(first);
  all.delete(first);
  assert.equal(all.size, 1);
  all.end("dismiss");
  assert.deepEqual([second.ended, first.ended, all.size], ["dismissed", undefined, 0]);
});
