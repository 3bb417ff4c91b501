/**
 * Checks that a backplane does what `Rooms` relies on. They need no test runner: each is a function that rejects.
 *
 * @module
 */
import type { Backplane, BackplaneConnection, BackplaneNeeds, LogEntry } from "./backplane.ts";

/** A check of a backplane. */
export interface BackplaneCheck {
  /** What it checks, as a sentence. */
  readonly name: string;
  /** Which optional part it needs; a backplane without that part need not pass it. */
  readonly part: "log" | "store" | undefined;
  /**
   * Runs it. It takes topics that no other run has taken.
   *
   * @param backplane the backplane, which is left open
   * @returns a promise that rejects with an error that says what was wrong
   */
  run(backplane: Backplane): Promise<void>;
}

/** How long anything may take. */
const DEADLINE_MS = 10_000;

const LOG = { length: 4, ageMs: 60_000 };

/** One side of a check. */
class Side {
  connection!: BackplaneConnection;
  /** `topic text`, as they came. */
  readonly got: string[] = [];
  readonly entries: LogEntry[] = [];
  /** Whether a handler was called within a call of the check. */
  within = false;
  calling = false;

  static async open(backplane: Backplane, needs: BackplaneNeeds): Promise<Side> {
    const side = new Side();
    const id = token();
    side.connection = await backplane.connect(id, {
      message: (topic, bytes) => {
        side.within ||= side.calling;
        side.got.push(`${topic} ${textOf(bytes)}`);
      },
      entry: (_topic, entry) => {
        side.within ||= side.calling;
        side.entries.push({ ...entry, bytes: entry.bytes.slice() });
      },
      status: () => {},
    }, needs);
    return side;
  }

  publish(topic: string, text: string): boolean {
    return this.connection.publish(topic, bytesOf(text));
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** 16 hexadecimal digits. */
function token(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what()}, after ${DEADLINE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function equal(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

/** Waits for as many messages as are expected, and compares them. */
async function gets({ got }: Side, expected: string[], what: string): Promise<void> {
  await until(() => got.length >= expected.length, () => `${what}: ${JSON.stringify(got)} came`);
  equal(got, expected, what);
}

/** A check with several sides that are connected. */
function check(
  name: string,
  part: BackplaneCheck["part"],
  body: (topic: string, ...sides: Side[]) => Promise<void>,
): BackplaneCheck {
  const needs = { log: part === "log" ? LOG : undefined, store: part === "store" };
  return {
    name,
    part,
    async run(backplane) {
      const sides: Side[] = [];
      try {
        for (let i = 0; i < 3; i++) sides.push(await Side.open(backplane, needs));
        await body(`check.${token()}`, ...sides);
        equal(sides.some(({ within }) => within), false, "a handler was called within a call");
      } finally {
        for (const { connection } of sides) await connection.close();
      }
    },
  };
}

/** The log of a side. */
function logOf({ connection }: Side) {
  if (connection.log === undefined) throw new Error("the connection has no log");
  return connection.log;
}

/** The store of a side. */
function storeOf({ connection }: Side) {
  if (connection.store === undefined) throw new Error("the connection has no store");
  return connection.store;
}

/** All checks. Run each; those of a part that the backplane lacks may be left out. */
export const backplaneChecks: readonly BackplaneCheck[] = [
  check("A message reaches the others that have subscribed", undefined, async (topic, a, b, c) => {
    await Promise.all([a, b, c].map(({ connection }) => connection.subscribe(`${topic}.end`)));
    await a.connection.subscribe(topic);
    await b.connection.subscribe(topic);
    a.calling = true;
    equal(a.publish(topic, "one"), true, "publish");
    a.calling = false;
    c.publish(`${topic}.end`, "end");
    await gets(a, [`${topic}.end end`], "the sender, which does not get its own message");
    await until(() => b.got.length >= 2, () => `${JSON.stringify(b.got)} came`);
    equal(b.got.toSorted(), [`${topic} one`, `${topic}.end end`], "a subscriber");
    equal(c.got, [], "who has not subscribed");
  }),
  check("Messages of one sender come in order, across topics", undefined, async (topic, a, b) => {
    await b.connection.subscribe(`${topic}.x`);
    await b.connection.subscribe(`${topic}.y`);
    const expected = Array.from({ length: 300 }, (_, i) => `${topic}.${"xy"[i % 3 % 2]} ${i}`);
    for (const line of expected) a.publish(...line.split(" ") as [string, string]);
    await gets(b, expected, "the order");
  }),
  check("What was published is not changed on the way", undefined, async (topic, a, b) => {
    await b.connection.subscribe(topic);
    const texts = ["", "\0", "é", "x".repeat(50_000)];
    for (const text of texts) a.publish(topic, text);
    await gets(b, texts.map((text) => `${topic} ${text}`), "the bytes");
  }),
  check("A topic may have 640 characters of all kinds", undefined, async (topic, a, b) => {
    const long = `${topic}.aA0_-=`.padEnd(640, "=c3");
    await b.connection.subscribe(long);
    a.publish(long, "x");
    await gets(b, [`${long} x`], "the topic");
  }),
  check("After unsubscribe nothing comes, and subscribing again helps", undefined, async (
    topic,
    a,
    b,
  ) => {
    await b.connection.subscribe(topic);
    await b.connection.subscribe(`${topic}.end`);
    b.connection.unsubscribe(topic);
    // Its confirmation comes behind that of the former call.
    await b.connection.subscribe(`${topic}.other`);
    a.publish(topic, "lost");
    a.publish(`${topic}.end`, "1");
    await gets(b, [`${topic}.end 1`], "after unsubscribe");
    await b.connection.subscribe(topic);
    a.publish(topic, "2");
    await gets(b, [`${topic}.end 1`, `${topic} 2`], "after subscribing again");
  }),
  check("A closed connection drops what is published, and can be closed again", undefined, async (
    topic,
    a,
    b,
  ) => {
    await b.connection.subscribe(topic);
    a.publish(topic, "last");
    await a.connection.close();
    await a.connection.close();
    equal(a.publish(topic, "late"), false, "publish after close");
    await gets(b, [`${topic} last`], "what was published before close");
  }),
  check("Limits and values of a connection make sense", undefined, (_topic, { connection }) => {
    equal(connection.maximumMessageSize >= 131_072, true, "maximumMessageSize of 128 KiB or more");
    equal(connection.queuedBytes >= 0 && connection.lagMs >= 0, true, "queuedBytes and lagMs");
    return Promise.resolve();
  }),
  check("A log has one order for all, and tells what came before", "log", async (topic, a, b) => {
    await a.connection.subscribe(topic);
    await b.connection.subscribe(topic);
    a.calling = true;
    const first = logOf(a).append(topic, bytesOf("0"));
    a.calling = false;
    const offsets = [await first];
    for (let i = 1; i < 4; i++) {
      offsets.push(await logOf(i % 2 ? b : a).append(topic, bytesOf(`${i}`)));
    }
    for (const side of [a, b]) {
      await until(() => side.entries.length >= 4, () => `${side.entries.length} of 4 entries came`);
      equal(side.entries.map(({ bytes }) => textOf(bytes)), ["0", "1", "2", "3"], "the order");
      equal(side.entries.map(({ offset }) => offset), offsets, "the offsets that append gave");
      equal(side.entries.slice(1).map(({ previous }) => previous), offsets.slice(0, 3), "previous");
    }
    equal(offsets.toSorted((x, y) => x - y), offsets, "growing offsets");
    equal(logOf(a).epoch === logOf(b).epoch, true, "one epoch");
  }),
  check("A log is read from an offset on, also by others", "log", async (topic, a, b) => {
    const offsets: number[] = [];
    for (const text of ["0", "1", "2"]) offsets.push(await logOf(a).append(topic, bytesOf(text)));
    const { entries, complete } = await logOf(b).read(topic, offsets[0]);
    equal([entries.map(({ bytes }) => textOf(bytes)), complete], [["1", "2"], true], "read");
    const nothing = await logOf(b).read(topic, offsets[2]);
    equal([nothing.entries.length, nothing.complete], [0, true], "read from the last one");
    equal((await logOf(b).read(`${topic}.other`, 0)).entries.length, 0, "another topic");
  }),
  check("A log tells when it no longer has everything", "log", async (topic, a) => {
    const offsets: number[] = [];
    for (let i = 0; i < LOG.length + 3; i++) {
      offsets.push(await logOf(a).append(topic, bytesOf(`${i}`)));
    }
    equal((await logOf(a).read(topic, offsets[0])).complete, false, "complete after the first one");
    const { entries, complete } = await logOf(a).read(topic, offsets[2]);
    equal([entries.length, complete], [LOG.length, true], "as many as are kept");
  }),
  check("A store changes a value from the revision that is named, only", "store", async (
    topic,
    a,
    b,
  ) => {
    equal(await storeOf(a).get(topic), undefined, "get where there is nothing");
    const first = await storeOf(a).put(topic, bytesOf("1"), 0);
    equal(typeof first, "number", "the revision of the first put");
    equal(await storeOf(b).put(topic, bytesOf("x"), 0), undefined, "put where there is a value");
    const second = await storeOf(b).put(topic, bytesOf("2"), first as number);
    equal(second as number > (first as number), true, "a growing revision");
    equal(await storeOf(a).put(topic, bytesOf("x"), first as number), undefined, "a stale put");
    const value = await storeOf(a).get(topic);
    equal([value?.revision, value && textOf(value.bytes)], [second, "2"], "the value");
    const other = await storeOf(a).put(`${topic}.other`, bytesOf("3"), 0);
    equal(other as number > (second as number), true, "a growing revision of another key");
  }),
];
