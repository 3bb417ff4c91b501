/**
 * Headless Chromium, driven over its DevTools protocol.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { chromium } from "../../tools/chromium.ts";
import { spawnProgram, until, withDeadline } from "../_helpers.ts";

/** A page that is open. */
export interface Page extends AsyncDisposable {
  /** The value of an expression in the page; promises are waited for. */
  evaluate<T>(expression: string): Promise<T>;
  /** A command of the protocol. */
  command(method: string, params?: object): Promise<Record<string, unknown>>;
  /** Asks until an expression is true. */
  until(expression: string, what: string): Promise<void>;
  /** What the page looks like down to a height, as PNG. */
  screenshot(height: number): Promise<Uint8Array>;
  /** Errors that the page has not caught, and what it has written to its console. */
  readonly complaints: readonly string[];
}

const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
  ...["--disable-dev-shm-usage", "--remote-debugging-port=0"],
];

const DEADLINE = 30_000;

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/**
 * Opens a page, as wide and high as a phone.
 *
 * @param flags more of the command line
 */
export async function openPage(url: string, flags: readonly string[] = []): Promise<Page> {
  await using stack = new AsyncDisposableStack();
  const profile = mkdtempSync(`${tmpdir()}/enetjs-chromium-`);
  stack.defer(() => rmSync(profile, { recursive: true, force: true, maxRetries: 20 }));
  const browser = stack.use(
    spawnProgram(chromium()!, [...FLAGS, ...flags, `--user-data-dir=${profile}`, "about:blank"]),
  );
  let stderr = "";
  browser.process.stderr!.on("data", (text) => stderr += text);
  const endpoint = await until(
    () => stderr.match(/DevTools listening on (ws:\S+)/)?.[1],
    DEADLINE,
    "DevTools",
  );
  const socket = new WebSocket(endpoint);
  stack.defer(() => socket.close());
  const answers = new Map<number, (answer: Answer) => void>();
  const complaints: string[] = [];
  let count = 0;
  socket.onmessage = ({ data }) => {
    const answer: Answer = JSON.parse(data);
    if (answer.id !== undefined) return answers.get(answer.id)?.(answer);
    if (
      answer.method === "Runtime.exceptionThrown" || answer.method === "Runtime.consoleAPICalled"
    ) {
      complaints.push(JSON.stringify(answer.params));
    }
  };
  await withDeadline(new Promise((resolve) => socket.onopen = resolve), DEADLINE, "the socket");
  const ask = async (method: string, params: object, sessionId?: unknown) => {
    const id = ++count;
    const answered = new Promise<Answer>((resolve) => answers.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await withDeadline(answered, DEADLINE, method);
    answers.delete(id);
    if (result === undefined) throw new Error(`${method}: ${error?.message}`);
    return result;
  };
  const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
  const command = (method: string, params = {}) => ask(method, params, sessionId);
  await command("Runtime.enable");
  const size = { width: 412, height: 760, deviceScaleFactor: 2, mobile: true };
  await command("Emulation.setDeviceMetricsOverride", size);
  await command("Page.navigate", { url });
  const evaluate = async <T>(expression: string) => {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await command("Runtime.evaluate", params);
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  };
  const kept = stack.move();
  return {
    evaluate,
    command,
    complaints,
    async until(expression, what) {
      const isTrue = () => evaluate<boolean>(`Boolean(${expression})`);
      await until(isTrue, DEADLINE, what).catch((error) => {
        throw new Error(`${error.message}\n${complaints.join("\n")}`);
      });
    },
    async screenshot(height) {
      const clip = { x: 0, y: 0, width: size.width, height, scale: 0.5 };
      const { data } = await command("Page.captureScreenshot", { format: "png", clip });
      return Uint8Array.from(atob(data as string), (c) => c.charCodeAt(0));
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
