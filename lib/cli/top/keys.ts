/**
 * The keys of `enet top`.
 *
 * @module
 */
import { type Sort, SORTS } from "../../metrics/status.ts";
import type { Terminal } from "../frame/terminal.ts";

/** What is being typed after `/` or `k`. */
export interface Typing {
  readonly what: "filter" | "kick";
  readonly text: string;
}

/** What keys change. */
export interface View {
  readonly sort: Sort;
  readonly filter: string;
  readonly typing: Typing | undefined;
}

/** What else a key asks for. */
export type Wish = { readonly quit: true } | { readonly kick: number } | undefined;

const SORT_KEYS: Readonly<Record<string, Sort>> = {
  t: "traffic",
  r: "round-trip",
  l: "loss",
  u: "queue",
};

/** The most that can be typed, as the server takes it. */
const LONGEST = 64;

/** What stands below the table. */
export function hint({ sort, filter, typing }: View, allowKick: boolean): string {
  if (typing !== undefined) {
    const what = typing.what === "filter" ? "Address contains" : "Disconnect peer";
    return `${what}: ${typing.text}_  (Enter, or Esc)`;
  }
  const orders = SORTS.map((one) => {
    const key = Object.keys(SORT_KEYS).find((key) => SORT_KEYS[key] === one)!;
    return one === sort ? `[${key} ${one}]` : `${key} ${one}`;
  });
  const filtered = filter === "" ? "/ filter" : `/ filter "${filter}"`;
  return [...orders, filtered, ...allowKick ? ["k kick"] : [], "q quit"].join("  ");
}

function typed(view: View, typing: Typing, key: string): [View, Wish] {
  const { what, text } = typing;
  const done = { ...view, typing: undefined };
  if (key === "\x1b") return [done, undefined];
  if (key === "\r" || key === "\n") {
    if (what === "filter") return [{ ...done, filter: text }, undefined];
    return [done, text === "" ? undefined : { kick: Number(text) }];
  }
  const isAllowed = what === "filter" ? /^[\w.:%[\]-]$/.test(key) : /^\d$/.test(key);
  const erased = key === "\x7f" || key === "\b" ? text.slice(0, -1) : undefined;
  const added = isAllowed && text.length < LONGEST ? text + key : text;
  return [{ ...view, typing: { what, text: erased ?? added } }, undefined];
}

/**
 * What a key does.
 *
 * @param key as a terminal in raw mode sends it
 */
export function press(view: View, key: string, allowKick: boolean): [View, Wish] {
  if (key === "\x03") return [view, { quit: true }];
  const { typing } = view;
  if (typing !== undefined) return typed(view, typing, key);
  if (key === "q") return [view, { quit: true }];
  if (Object.hasOwn(SORT_KEYS, key)) return [{ ...view, sort: SORT_KEYS[key] }, undefined];
  if (key === "/") return [{ ...view, typing: { what: "filter", text: "" } }, undefined];
  if (key === "k" && allowKick) {
    return [{ ...view, typing: { what: "kick", text: "" } }, undefined];
  }
  return [view, undefined];
}

/** Standard input, where it is a terminal. */
interface KeyInput {
  readonly isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
}

/** Reads keys one by one until disposed of. Nothing happens where nobody sits at the terminal. */
export function readKeys(
  { stdin, isLive }: Pick<Terminal, "stdin" | "isLive">,
  onKey: (key: string) => void,
): Disposable {
  const input = stdin as typeof stdin & KeyInput;
  if (!isLive || !input.isTTY || input.setRawMode === undefined) return { [Symbol.dispose]() {} };
  const onData = (data: Uint8Array | string) => {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    // The arrow keys and others send several characters, which mean nothing here.
    // deno-lint-ignore no-control-regex -- it is what terminals send
    for (const key of text.replace(/\x1b[[O][0-9;]*[ -~]/g, "")) onKey(key);
  };
  input.setRawMode(true);
  input.on("data", onData);
  return {
    [Symbol.dispose]() {
      input.off("data", onData);
      input.setRawMode!(false);
      input.pause();
    },
  };
}
