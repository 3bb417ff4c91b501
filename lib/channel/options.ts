import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { CHANNEL } from "../../ffi/layout.ts";
import { handlers, integer, options as checkOptions, show } from "../internal/validate.ts";
import { TURN_BUDGET_MS, validateTurnBudget } from "../internal/turn.ts";
import type { ENetError } from "../errors.ts";
import { type Data, viewOf } from "../packet.ts";
import type { PluginPlan } from "./_plugin_link.ts";
import { encoder } from "../../ffi/utf8.ts";

/** Functions that a channel calls as events happen. An error that they throw is an uncaught error of the runtime. */
export interface ChannelHandlers {
  /**
   * Called with each message. The view is valid until the function returns. Above 16 KiB it is in the shared
   * memory. Afterwards it becomes empty, or on a channel between threads shows other messages. Copy what you
   * want to keep.
   *
   * @param view the message
   */
  receive?: (view: Uint8Array) => void;
  /** Called once when the channel has ended without an error, whichever side closed it. */
  close?: () => void;
  /**
   * Called once when the channel has ended because the other side broke its rules. Without it, the
   * error is an uncaught one.
   *
   * @param error why
   */
  error?: (error: ENetError) => void;
}

/** Options of each end of a channel. */
export interface ChannelEndOptions {
  /** Functions to call; without them the channel is iterated over, or read with `receive()`. */
  handlers?: ChannelHandlers;
  /**
   * Least time in milliseconds between two rounds of `handlers.receive`, each with everything that has
   * arrived; for programs that draw what they get. Default 0: at once.
   */
  minIntervalMs?: number;
  /**
   * Bytes that may wait in this thread's memory because the shared memory is full; one message may wait
   * whatever its size. Sending more fails with `ENETJS_ERR_LIMIT`. Default no limit.
   */
  maximumQueuedBytes?: number;
  /**
   * Milliseconds, 1–60000, for which the program is given messages before timers and sockets get their turn. All
   * channels and hosts of a thread share them. Default 5.
   */
  turnBudgetMs?: number;
}

/** Options of {@linkcode Channel.open}. */
export interface ChannelOptions extends ChannelEndOptions {
  /** Largest message to the other end, in bytes, and memory for those on the way; 1 to 1 GiB. Default 1 MiB. */
  sendBytes?: number;
  /** The same for messages from the other end. */
  receiveBytes?: number;
}

/** Options of {@linkcode Channel.loadPlugin}. */
export interface PluginOptions extends ChannelOptions {
  /** What the plugin's `initialize` gets, text as UTF-8. Default nothing. */
  configuration?: Data;
  /** Milliseconds between calls of the plugin's `update`. Default 0: as the plugin asks for. */
  updateIntervalMs?: number;
}

/** Options of {@linkcode Channel.sendNow}. */
export interface SendNowOptions {
  /** Milliseconds to wait for the other end, 1–2,147,483,647. Default 5000. */
  timeoutMs?: number;
}

const END = ["handlers", "minIntervalMs", "maximumQueuedBytes", "turnBudgetMs"];
const BOTH = ["sendBytes", "receiveBytes", ...END];
const PLUGIN = ["configuration", "updateIntervalMs", ...BOTH];
const DEFAULT_BYTES = 2 ** 20;
const MAXIMUM_MS = 2 ** 31 - 1;

/** The bytes of anything that can be sent. */
export function bytesOf(data: Data): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : viewOf(data);
}

/** The options of an end, checked. */
export interface EndPlan {
  readonly handlers: ChannelHandlers | undefined;
  readonly minIntervalMs: number;
  readonly maximumQueuedBytes: number;
  readonly turnBudgetMs: number;
}

/** Checks handlers. */
export function checkHandlers(given: ChannelHandlers | undefined): void {
  handlers(given, ["receive", "close", "error"]);
}

/** Checks the least time between two rounds. */
export function checkInterval(ms: number): number {
  return integer(ms, "minIntervalMs", 0, MAXIMUM_MS);
}

/** Checks the limit of the queue. */
export function checkQueueLimit(bytes: number): number {
  if (bytes === Infinity) return bytes;
  return integer(bytes, "maximumQueuedBytes", 0, Number.MAX_SAFE_INTEGER);
}

function planHandlersAndTimes(
  {
    handlers,
    minIntervalMs = 0,
    maximumQueuedBytes = Infinity,
    turnBudgetMs = TURN_BUDGET_MS,
  }: ChannelEndOptions,
): EndPlan {
  checkHandlers(handlers);
  return {
    handlers,
    minIntervalMs: checkInterval(minIntervalMs),
    maximumQueuedBytes: checkQueueLimit(maximumQueuedBytes),
    turnBudgetMs: validateTurnBudget(turnBudgetMs),
  };
}

/** Checks the options of one end. */
export function planEnd(given: ChannelEndOptions): EndPlan {
  checkOptions(given, "options", END);
  return planHandlersAndTimes(given);
}

function planBytes({ sendBytes = DEFAULT_BYTES, receiveBytes = DEFAULT_BYTES }: ChannelOptions) {
  integer(sendBytes, "sendBytes", 1, CHANNEL.MAXIMUM_BYTES);
  integer(receiveBytes, "receiveBytes", 1, CHANNEL.MAXIMUM_BYTES);
  return { sendBytes, receiveBytes };
}

/** Checks the options of a channel between threads. */
export function planThreads(given: ChannelOptions) {
  checkOptions(given, "options", BOTH);
  return { ...planBytes(given), end: planHandlersAndTimes(given) };
}

/** Checks the path and the options of a plugin. */
export function planPlugin(
  path: string | URL,
  given: PluginOptions,
): { plan: PluginPlan; end: EndPlan } {
  checkOptions(given, "options", PLUGIN);
  const isUrl = path instanceof URL;
  if (isUrl && path.protocol !== "file:") {
    throw new TypeError(`path must be a path or a file: URL, not ${path.href}`);
  }
  if (!isUrl && (typeof path !== "string" || path === "" || path.includes("\0"))) {
    throw new TypeError(`path must be a path or a file: URL, not ${show(path)}`);
  }
  const { configuration = "", updateIntervalMs = 0 } = given;
  integer(updateIntervalMs, "updateIntervalMs", 0, MAXIMUM_MS);
  return {
    plan: {
      path: isUrl ? fileURLToPath(path) : resolve(path),
      configuration: bytesOf(configuration),
      updateIntervalMs,
      ...planBytes(given),
    },
    end: planHandlersAndTimes(given),
  };
}

/** Checks the options of `sendNow`. */
export function planSendNow(given: SendNowOptions): number {
  checkOptions(given, "options", ["timeoutMs"]);
  return integer(given.timeoutMs ?? 5000, "timeoutMs", 1, MAXIMUM_MS);
}
