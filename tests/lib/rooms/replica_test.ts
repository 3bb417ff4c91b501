/** Presence converges: replicas on a simulated network, by a clock of its own. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Simulation, TIMES } from "./_simulation.ts";

/** A way of a message, in milliseconds, at most; and how long members wait to be told. */
const WAY_MS = 30;

function assertAgree({ hosts, truth }: { hosts: Simulation["hosts"]; truth: string[] }): void {
  for (const host of hosts) {
    if (!host.dead) assert.deepEqual(host.view(), truth, `what ${host.id} sees`);
  }
}

test("Changes reach every host within a way", () => {
  const simulation = new Simulation(1);
  simulation.pass(1000);
  const [a] = simulation.hosts;
  a.truth.set(`a ${a.id}-1`, 5);
  a.replica.set("a", { id: 1 } as never, "ada", 5);
  simulation.pass(WAY_MS);
  assertAgree({ hosts: simulation.hosts, truth: simulation.truth() });
});

test("A host that is new sees everybody within a second", () => {
  const simulation = new Simulation(2);
  for (const host of simulation.hosts) {
    host.truth.set(`a ${host.id}-1`, 5);
    host.replica.set("a", { id: 1 } as never, undefined, 5);
  }
  simulation.pass(1000);
  simulation.start();
  simulation.pass(200);
  assertAgree({ hosts: simulation.hosts, truth: simulation.truth() });
});

test("A change whose messages are all lost is noticed by the next heartbeat", () => {
  const simulation = new Simulation(3);
  simulation.pass(1000);
  const [a] = simulation.hosts;
  simulation.loss = 1;
  a.truth.set(`a ${a.id}-1`, 5);
  a.replica.set("a", { id: 1 } as never, undefined, 5);
  simulation.pass(WAY_MS);
  simulation.loss = 0;
  simulation.pass(TIMES.heartbeatMs + 3 * WAY_MS);
  assertAgree({ hosts: simulation.hosts, truth: simulation.truth() });
  const { asks } = simulation;
  simulation.pass(10_000);
  assert.equal(simulation.asks, asks, "nobody asks who knows everything");
});

test("The members of a killed host leave exactly once, within 3 s", () => {
  const simulation = new Simulation(4);
  const [a, ...others] = simulation.hosts;
  for (const room of ["a", "b"]) {
    a.truth.set(`${room} ${a.id}-1`, 5);
    a.replica.set(room, { id: 1 } as never, undefined, 5);
  }
  simulation.pass(1000);
  a.dead = true;
  simulation.pass(3000);
  assertAgree({ hosts: simulation.hosts, truth: [] });
  for (const { lefts } of others) assert.equal(lefts, 2);
});

test("A host that was stopped does not take the others for lost", () => {
  const simulation = new Simulation(5);
  const [a, b] = simulation.hosts;
  b.truth.set(`a ${b.id}-1`, 5);
  b.replica.set("a", { id: 1 } as never, undefined, 5);
  simulation.pass(1000);
  a.stopped = true;
  simulation.pass(10_000);
  simulation.continue(a);
  simulation.pass(1000);
  assert.equal(a.lefts, 0);
  assertAgree({ hosts: simulation.hosts, truth: simulation.truth() });
});

test("While its link is down, a host keeps what it saw; then nobody leaves who is there", () => {
  const simulation = new Simulation(6);
  const [a, b] = simulation.hosts;
  b.truth.set(`a ${b.id}-1`, 5);
  b.replica.set("a", { id: 1 } as never, undefined, 5);
  simulation.pass(1000);
  for (const host of simulation.hosts) {
    host.linked = false;
    host.replica.down(simulation.now);
  }
  simulation.pass(5000);
  assert.equal(a.view().length, 1);
  simulation.heal();
  simulation.pass(5000);
  assert.deepEqual(simulation.hosts.map(({ lefts }) => lefts), [0, 0, 0, 0]);
  a.linked = false;
  a.replica.down(simulation.now);
  simulation.pass(TIMES.linkTimeoutMs + 200);
  assert.deepEqual(a.view(), []);
});

test("100 random schedules converge, without ghosts and with each event once", () => {
  const first = Number(process.env.ENETJS_SEED ?? 1);
  for (let seed = first; seed < first + 100; seed++) {
    const simulation = new Simulation(seed);
    const steps: string[] = [];
    try {
      for (let i = 0; i < 60; i++) {
        steps.push(simulation.step());
        simulation.pass(simulation.below(300));
      }
      simulation.heal();
      simulation.pass(2 * TIMES.hostTimeoutMs + TIMES.heartbeatMs + 1000);
      assertAgree({ hosts: simulation.hosts, truth: simulation.truth() });
      for (const host of simulation.hosts.filter(({ dead }) => !dead)) {
        const seen = [...host.seen].filter(([, count]) => count === 1).map(([key]) => key).sort();
        const view = host.view().map((line) => line.split(" ").slice(0, 2).join(" "));
        assert.deepEqual(seen, view, `what the events told ${host.id}`);
      }
    } catch (error) {
      const message = `${(error as Error).message}\nENETJS_SEED=${seed}:\n${steps.join("\n")}`;
      throw new Error(message, { cause: error });
    }
  }
});
