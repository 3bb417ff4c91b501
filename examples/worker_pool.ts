/**
 * A pool of worker processes. Workers connect to a coordinator, which hands them jobs as requests, two
 * at a time. One worker is killed in the middle of a job: every job is done, and a job that may have been
 * done twice is told.
 *
 *     deno run --allow-ffi --allow-net --allow-run --allow-env examples/worker_pool.ts
 *     bun examples/worker_pool.ts
 *     node examples/worker_pool.ts
 *
 * The workers connect over TCP, where the end of a killed process is noticed at once.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Connection, GetError, Messenger } from "@enetjs/enet/messaging";

const JOBS = 12;
const WORKERS = 3;
const JOBS_AT_ONCE = 2;

/** The work: how many primes there are below a number. */
function countPrimes(below: number): number {
  let count = 0;
  for (let n = 2, d; n < below; n++) {
    for (d = 2; d * d <= n && n % d !== 0; d++);
    if (d * d > n) count++;
  }
  return count;
}

/** A worker: answers requests until the coordinator closes the connection. */
async function work(address: string, isDoomed: boolean): Promise<void> {
  let jobs = 0;
  const connection = await Messenger.connect(address, {}, {
    request({ data }) {
      if (isDoomed && ++jobs === 2) process.kill(process.pid, "SIGKILL");
      return String(countPrimes(Number(data.text())));
    },
  });
  await connection.closed;
}

/** Hands jobs to the workers that are free. */
class Pool {
  readonly #free: Connection[] = [];
  readonly #waiting: ((worker: Connection) => void)[] = [];

  /** A worker can take a job. */
  release(worker: Connection): void {
    const take = this.#waiting.shift();
    if (take === undefined) this.#free.push(worker);
    else take(worker);
  }

  #acquire(): Promise<Connection> {
    const worker = this.#free.shift();
    return worker === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(worker);
  }

  /** Has a job done by one worker after the other, until one of them has done it. */
  async run(job: string): Promise<string> {
    for (;;) {
      const worker = await this.#acquire();
      try {
        const reply = await worker.get(job, { timeoutMs: 0 });
        this.release(worker);
        return reply.text();
      } catch (error) {
        // Refused: the worker is alive and the job is wrong. Everything else: the worker is gone.
        if (!(error instanceof GetError) || error.outcome === "refused") throw error;
        if (error.outcome === "unknown") console.log(`${job} is done again: its worker was lost`);
      }
    }
  }
}

async function coordinate(): Promise<void> {
  const pool = new Pool();
  const complete = Promise.withResolvers<void>();
  await using listener = await Messenger.listen("tcp://127.0.0.1:0", {}, {
    ready(worker) {
      for (let i = 0; i < JOBS_AT_ONCE; i++) pool.release(worker);
      if (listener.connections.length === WORKERS) complete.resolve();
    },
    closed: (_worker, { reason }) => console.log(`a worker has left: ${reason}`),
  });
  const address = `tcp://127.0.0.1:${listener.address.port}`;
  const flags = "Deno" in globalThis
    ? ["run", "--no-prompt", "--allow-ffi", "--allow-net", "--allow-run", "--allow-env"]
    : process.execArgv;
  for (let i = 0; i < WORKERS; i++) {
    const args = [
      ...flags,
      fileURLToPath(import.meta.url),
      address,
      i === 0 ? "doomed" : "healthy",
    ];
    spawn(process.execPath, args, { stdio: "inherit" });
  }
  await complete.promise;
  const jobs = Array.from({ length: JOBS }, (_, i) => String((i + 1) * 10_000));
  await Promise.all(jobs.map(async (job) => console.log(`below ${job}: ${await pool.run(job)}`)));
}

const [address, health] = process.argv.slice(2);
if (address === undefined) await coordinate();
else await work(address, health === "doomed");
