/** Names of rooms and users, and the topics that stand for them on a backplane. */
import { show } from "../internal/validate.ts";

/** The longest name, in UTF-16 units. */
const LONGEST = 64;

/** Control characters, and halves of surrogate pairs, which have no UTF-8. */
const UNFIT = /[\p{Cc}\p{Cs}]/u;

/**
 * Tells whether a value can be the name of a room or of a user: text of 1 to 64 characters, without control
 * characters. A server asks this about a name that a client has sent, because `join` throws for a wrong one.
 *
 * @param name what the client has sent
 */
export function isName(name: unknown): name is string {
  return typeof name === "string" && name.length > 0 && name.length <= LONGEST && !UNFIT.test(name);
}

/** Refuses everything but a name. */
export function checkName(name: unknown, what: string): string {
  if (isName(name)) return name;
  if (typeof name !== "string") throw new TypeError(`${what} must be a string, not ${show(name)}`);
  throw new RangeError(
    `${what} must have 1 to ${LONGEST} characters and no control characters, not ${show(name)}; ` +
      "ask isName() about names that clients send",
  );
}

const encoder = new TextEncoder();

/** A name as a part of a topic: letters and digits stay, other bytes of its UTF-8 become `=XX`. */
export function topicOf(kind: "room" | "user" | "host" | "lease", name: string): string {
  const safe = name.replace(
    /[^A-Za-z0-9_-]/gu,
    (character) =>
      Array.from(encoder.encode(character), (byte) => `=${byte.toString(16).padStart(2, "0")}`)
        .join(""),
  );
  return `${kind}.${safe}`;
}

/** Whether a topic is that of a room. */
export const isRoom = (topic: string): boolean => topic.startsWith("room.");

/** The topic of what concerns all hosts. */
export const EVERY_HOST = "hosts";
