/**
 * Runs test files side by side, each as a process of its own.
 *
 * @module
 */

import { print, run, type RunResult } from "./_run.ts";

/** How many tests ended how. */
export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** One test file to run. */
export interface Job {
  title: string;
  command: string[];
  env?: Record<string, string>;
  /** After this time it is killed. */
  limitMs: number;
  /** It starts when fewer jobs than this are running. */
  atOnce: number;
  /** Counts the tests in the report or output; `undefined` when there is no report. */
  count(result: RunResult): Count | undefined;
}

/** How a job ended. */
export interface Outcome {
  title: string;
  count: Count;
  seconds: number;
}

async function runJob(job: Job, onOutput: (text: string) => void): Promise<Outcome> {
  const { title, command, env, limitMs } = job;
  onOutput(`\n── ${title}\n`);
  const start = performance.now();
  const result = await run(command, { env: { NO_COLOR: "1", ...env }, limitMs, onOutput });
  const seconds = (performance.now() - start) / 1000;
  const count = job.count(result) ?? { passed: 0, failed: 0, skipped: 0 };
  if (!result.ok) {
    onOutput(`── ${title}: ${result.ending}\n`);
    count.failed ||= 1;
  } else if (count.passed + count.failed + count.skipped === 0) {
    onOutput(`── ${title}: no test was reported\n`);
    count.failed = 1;
  }
  return { title, count, seconds };
}

/** Adds counts up. */
export function total(counts: readonly Count[]): Count {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of counts) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  return sum;
}

/**
 * A queue of jobs, which starts them in order, several at once. Their output stays in order: the first
 * job that has not ended prints live, the others when their turn comes.
 */
export class JobQueue {
  readonly #waiting: { job: Job; start: () => Promise<void> }[] = [];
  #running = 0;
  #added = 0;
  /** The number of the job that prints live. */
  #live = 0;
  /** The output so far of the jobs after the live one, and whether they have ended. */
  readonly #held = new Map<number, { text: string; isOver: boolean }>();

  /** Puts a job at the end of the queue. */
  add(job: Job): Promise<Outcome> {
    const number = this.#added++;
    const output = { text: "", isOver: false };
    this.#held.set(number, output);
    const outcome = Promise.withResolvers<Outcome>();
    const start = async () => {
      outcome.resolve(
        await runJob(job, (text) => {
          if (number === this.#live) print(text);
          else output.text += text;
        }),
      );
      output.isOver = true;
      this.#printHeld();
    };
    this.#waiting.push({ job, start });
    this.#startNext();
    return outcome.promise;
  }

  #startNext(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#running >= first.job.atOnce) return;
      this.#waiting.shift();
      this.#running++;
      void first.start().then(() => {
        this.#running--;
        this.#startNext();
      });
    }
  }

  /** While the live job has ended, makes the next one live and prints its output so far. */
  #printHeld(): void {
    while (this.#held.get(this.#live)?.isOver) {
      this.#held.delete(this.#live);
      this.#live++;
      print(this.#held.get(this.#live)?.text ?? "");
    }
  }
}
