/** The state machine of a connection alone: every short run, then many long random ones. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { CLOSE_CODE, TYPE } from "../../../lib/messaging/wire.ts";
import { randomOf } from "../../_relay.ts";
import { Model } from "./_model.ts";

type Step = (model: Model) => void;

/** The id of the first get of a model that began with the id 0. */
const ID = 1;

/** What can happen, each with a name for the run that fails. */
const STEPS: Readonly<Record<string, Step>> = {
  open: (model) => model.open(),
  heartbeat: (model) => model.receive(TYPE.HEARTBEAT, 0),
  message: (model) => model.receive(TYPE.MESSAGE, 0),
  request: (model) => model.receive(TYPE.REQUEST, 7),
  cancelled: (model) => model.receive(TYPE.CANCEL, 7),
  get: (model) => void model.get(30),
  reply: (model) => model.receive(TYPE.REPLY, ID, 5),
  cancel: (model) => model.cancel(0),
  answer: (model) => model.answer(0),
  close: (model) => model.close(),
  closedByOther: (model) => model.receive(TYPE.CLOSE, CLOSE_CODE.CLOSED),
  breaks: (model) => model.breaks(),
  time: (model) => model.pass(60),
};

const NAMES = Object.keys(STEPS);

function runAll(names: readonly string[]): Model {
  const model = new Model();
  try {
    for (const name of names) STEPS[name](model);
    model.finishUp();
  } catch (error) {
    throw new Error(`the run ${names.join(", ")}: ${(error as Error).message}`, { cause: error });
  }
  return model;
}

test("Every run of four steps keeps the promises, from three beginnings", () => {
  const run: string[] = [];
  const extend = (left: number) => {
    if (left === 0) return void runAll(run);
    for (const name of NAMES) {
      run.push(name);
      extend(left - 1);
      run.pop();
    }
  };
  extend(4);
  const ready = ["open", "heartbeat"];
  run.push(...ready);
  extend(4);
  run.push("get", "request");
  extend(4);
});

test("The outcomes of a get are the ones that are promised", () => {
  const outcomeOf = (...steps: string[]) =>
    runAll(["open", "heartbeat", "get", ...steps]).gets[0].outcome;
  assert.equal(outcomeOf("reply"), "reply 5");
  assert.equal(outcomeOf("reply", "reply", "close"), "reply 5");
  assert.equal(outcomeOf("cancel", "reply"), "ENETJS_ERR_CANCELLED unknown");
  assert.equal(outcomeOf("time", "reply"), "ENETJS_ERR_REPLY_TIMEOUT unknown");
  assert.equal(outcomeOf("close", "reply"), "ENETJS_ERR_STALE unknown");
  assert.equal(outcomeOf("closedByOther"), "ENETJS_ERR_STALE unknown");
  assert.equal(outcomeOf("breaks"), "ENETJS_ERR_STALE unknown");
});

test("The reasons of an end are the ones that are promised", () => {
  const reasonOf = (...steps: string[]) => runAll(steps).end?.reason;
  const ready = ["open", "heartbeat"];
  assert.equal(reasonOf(), "handshake");
  assert.equal(reasonOf("open"), "handshake");
  assert.equal(reasonOf("open", "closedByOther"), "refused");
  assert.equal(reasonOf("open", "message"), "protocol");
  assert.equal(reasonOf("open", "breaks"), "lost");
  assert.equal(reasonOf(...ready), "lost");
  assert.equal(reasonOf(...ready, "breaks"), "lost");
  assert.equal(reasonOf(...ready, "close"), "local");
  assert.equal(reasonOf(...ready, "close", "closedByOther"), "local");
  assert.equal(reasonOf(...ready, "closedByOther", "close"), "remote");
  assert.equal(reasonOf(...ready, "request", "request"), "protocol");
});

test("A side that hears nothing is looked at once more before the connection is lost", () => {
  const model = new Model();
  model.open();
  model.receive(TYPE.HEARTBEAT, 0);
  // This thread was busy; what has arrived meanwhile is read after the timer has fired.
  model.pass(10_000);
  assert.equal(model.machine.state, "ready");
  model.receive(TYPE.HEARTBEAT, 0);
  model.pass(100);
  assert.equal(model.machine.state, "ready");
  model.pass(100);
  model.pass(100);
  assert.equal(model.end?.reason, "lost");
});

test("A side that does not read does not take silence for an end", () => {
  const model = new Model();
  model.open();
  model.receive(TYPE.HEARTBEAT, 0);
  model.machine.reading(false, model.now);
  for (let i = 0; i < 100; i++) model.pass(50);
  assert.equal(model.machine.state, "ready");
  model.machine.reading(true, model.now);
  for (let i = 0; i < 10; i++) model.pass(50);
  assert.equal(model.end?.reason, "lost");
});

test("A heartbeat is sent after silence only", () => {
  const model = new Model({ lostMs: 1e6 });
  model.open();
  model.receive(TYPE.HEARTBEAT, 0);
  const heartbeats = () => model.written.filter((type) => type === TYPE.HEARTBEAT).length;
  assert.equal(heartbeats(), 1);
  for (let i = 0; i < 100; i++) {
    model.pass(10);
    model.machine.sent(model.now);
  }
  assert.equal(heartbeats(), 1);
  for (let i = 0; i < 100; i++) model.pass(10);
  assert.ok(heartbeats() >= 20 && heartbeats() <= 26, String(heartbeats()));
});

test("Ids wrap after 32 bits and are never 0", () => {
  const model = new Model({}, 0xFFFFFFFD);
  model.open();
  model.receive(TYPE.HEARTBEAT, 0);
  const ids = [0, 0, 0, 0].map((timeoutMs) => model.get(timeoutMs)?.id);
  assert.deepEqual(ids, [0xFFFFFFFE, 0xFFFFFFFF, 1, 2]);
});

test("Ids that have wrapped pass over those in flight", () => {
  const model = new Model({}, 0, 10);
  model.open();
  model.receive(TYPE.HEARTBEAT, 0);
  const kept = [1, 2, 3, 4, 5].map(() => model.get(0)?.id as number);
  model.receive(TYPE.REPLY, kept[1]);
  for (let i = 0; i < 100; i++) model.receive(TYPE.REPLY, model.get(0)?.id as number);
  assert.deepEqual([...model.inFlight], [1, 3, 4, 5]);
});

test("More requests than allowed are refused and not taken note of", () => {
  const model = new Model();
  model.open();
  model.receive(TYPE.HEARTBEAT, 0);
  for (let id = 1; id <= 5; id++) model.receive(TYPE.REQUEST, id);
  assert.equal(model.requests.length, 2);
  assert.equal(model.machine.counts.refusedRequests, 3);
  model.answer(0);
  model.receive(TYPE.REQUEST, 6);
  assert.equal(model.requests.length, 3);
});

/** A run of random steps, with the program acting from within what is reported to it. */
function runRandom(seed: number): void {
  const random = randomOf(seed);
  const below = (n: number) => Math.floor(random() * n);
  const firstId = random() < 0.5 ? 0xFFFFFFFF - below(20) : 0;
  // With few ids, they wrap often.
  const largestId = firstId === 0 && random() < 0.5 ? 50 : undefined;
  const model = new Model({ handshake: random() < 0.8 }, firstId, largestId);
  let lastId = 1;
  const act = () => {
    const what = random();
    if (what < 0.35) model.get(below(3) * 40);
    else if (what < 0.55) model.cancel(below(model.gets.length + 1));
    else if (what < 0.9) model.answer(below(model.requests.length + 1));
    else if (what < 0.92) model.close();
  };
  model.onReport = () => {
    if (random() < 0.5) act();
  };
  const answered = () => [...model.inFlight][below(model.inFlight.size)] ?? lastId;
  for (let step = 0; step < 60; step++) {
    const what = random();
    if (what < 0.1) model.open();
    else if (what < 0.25) model.receive(TYPE.HEARTBEAT, 0);
    else if (what < 0.3) model.receive(TYPE.MESSAGE, 0);
    else if (what < 0.4) model.receive(TYPE.REQUEST, lastId = 1 + below(6));
    else if (what < 0.45) model.receive(TYPE.CANCEL, 1 + below(6));
    else if (what < 0.55) model.receive(TYPE.REPLY, answered(), step);
    else if (what < 0.6) model.receive(TYPE.ERROR, answered(), step);
    else if (what < 0.61) {
      model.receive(TYPE.CLOSE, random() < 0.7 ? CLOSE_CODE.CLOSED : below(9));
    } else if (what < 0.615) model.breaks();
    else if (what < 0.65) model.machine.reading(random() < 0.5, model.now);
    else if (what < 0.75) model.pass(below(90));
    else act();
  }
  model.machine.reading(true, model.now);
  model.finishUp();
}

test("100,000 random runs with faults keep the promises", () => {
  const given = process.env.ENETJS_SEED;
  const first = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  const runs = given === undefined ? 100_000 : 1;
  for (let i = 0; i < runs; i++) {
    try {
      runRandom(first + i);
    } catch (error) {
      throw new Error(`ENETJS_SEED=${first + i}: ${(error as Error).message}`, { cause: error });
    }
  }
});
