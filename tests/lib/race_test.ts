/** Happy eyeballs, by a clock of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Progress, race } from "../../lib/internal/race.ts";

/** A race of so many, whose time passes only when it is told to. */
class Course {
  readonly seen: string[] = [];
  readonly progress: Progress[] = [];
  readonly results: PromiseWithResolvers<string>[] = [];
  readonly abort = new AbortController();
  readonly end: Promise<string>;
  #timer: { ms: number; call: () => void } | undefined;

  /** @param places how many can run at a time */
  constructor(count: number, places = count) {
    let taken = 0;
    const begin = Array.from({ length: count }, (_, number) => (progress: Progress) => {
      if (taken === places) throw new Error("full");
      taken++;
      this.seen.push(`begin ${number}`);
      const result = Promise.withResolvers<string>();
      this.progress[number] = progress;
      this.results[number] = result;
      const leave = (how: string) => () => {
        taken--;
        this.seen.push(`${how} ${number}`);
        result.reject(new Error(`${how} ${number}`));
      };
      result.promise.catch(() => {});
      return { result: result.promise, abandon: leave("abandon"), giveUp: leave("give up") };
    });
    this.end = race({
      begin,
      isFull: (error) => (error as Error).message === "full",
      shareMs: 1000,
      after: (ms, call) => {
        this.#timer = { ms, call };
        return undefined as never;
      },
      signal: this.abort.signal,
    });
    this.end.catch(() => {});
  }

  /** Lets the wait be over. @returns its milliseconds */
  async pass(): Promise<number | undefined> {
    const timer = this.#timer;
    this.#timer = undefined;
    timer?.call();
    await this.settle();
    return timer?.ms;
  }

  /** Lets a racer fail. */
  async fail(number: number, code?: string): Promise<void> {
    this.results[number].reject(Object.assign(new Error(`failed ${number}`), { code }));
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await undefined;
  }
}

test("One begins after the other, and the first that wins ends the others", async () => {
  const course = new Course(3);
  assert.equal(await course.pass(), 250);
  course.progress[1].won();
  assert.deepEqual(course.seen, ["begin 0", "begin 1", "abandon 0"]);
  course.results[1].resolve("1");
  assert.equal(await course.end, "1");
});

test("The next begins at once when the last one has failed or stalls", async () => {
  const course = new Course(3);
  await course.fail(0);
  course.progress[1].stalls();
  assert.deepEqual(course.seen, ["begin 0", "begin 1", "begin 2"]);
  course.progress[1].stalls();
  course.progress[0].stalls();
  await course.fail(1);
  await course.fail(2);
  await assert.rejects(course.end, /failed 2/);
});

test("A refusal tells more than what has failed later", async () => {
  for (const code of ["ENETJS_ERR_REFUSED", "ENETJS_ERR_SECURITY_TOKEN"] as const) {
    const course = new Course(2);
    await course.fail(0, code);
    await course.fail(1, "ENETJS_ERR_TIMEOUT");
    await assert.rejects(course.end, /failed 0/);
  }
});

test("When the winner fails in the end, its error counts", async () => {
  const course = new Course(2);
  await course.pass();
  course.progress[1].won();
  await course.fail(1);
  await assert.rejects(course.end, /failed 1/);
});

test("None begins after the signal, whose error is that of those that run", async () => {
  const course = new Course(3);
  await course.pass();
  course.abort.abort();
  await course.fail(0);
  await course.pass();
  await course.fail(1);
  await assert.rejects(course.end, /failed 1/);
  assert.deepEqual(course.seen, ["begin 0", "begin 1"]);
});

test("The next has the place of the oldest as soon as that one stalls, also when it waits already", async () => {
  const course = new Course(3, 2);
  assert.equal(await course.pass(), 250);
  assert.equal(await course.pass(), 250); // the third finds no place
  assert.deepEqual(course.seen, ["begin 0", "begin 1"]);
  course.progress[0].stalls();
  assert.equal(await course.pass(), 0);
  assert.deepEqual(course.seen.slice(2), ["give up 0", "begin 2"]);
  course.progress[2].won();
  course.results[2].resolve("2");
  assert.equal(await course.end, "2");
});

test("Where there is one place, each has its share of the time", async () => {
  const course = new Course(3, 1);
  assert.deepEqual([await course.pass(), course.seen.length], [250, 1]);
  assert.equal(await course.pass(), 1000);
  assert.deepEqual(course.seen, ["begin 0", "give up 0", "begin 1"]);
  course.progress[1].stalls();
  assert.equal(await course.pass(), 0);
  assert.deepEqual(course.seen.slice(3), ["give up 1", "begin 2"]);
  course.progress[2].won();
  course.results[2].resolve("2");
  assert.equal(await course.end, "2");
});
