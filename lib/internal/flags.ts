import { PacketFlag } from "../packet_flag.ts";
import { show } from "./validate.ts";

const FLAGS: readonly number[] = Object.values(PacketFlag);

/** The name of the flag that a wrong value means: what text says, else the usual one. */
function namedFlag(flags: unknown): string {
  const name = typeof flags === "string" ? flags.toUpperCase().replaceAll("-", "_") : "";
  return Object.hasOwn(PacketFlag, name) ? name : "RELIABLE";
}

/** Refuses flags that ENet would silently ignore. */
export function validateFlags(flags: unknown): PacketFlag {
  // The usual ones first: this runs for every message.
  if (flags !== PacketFlag.RELIABLE && !FLAGS.includes(flags as number)) {
    if (typeof flags !== "number") {
      throw new TypeError(
        `flags must be PacketFlag bits such as PacketFlag.${namedFlag(flags)}, not ${show(flags)}`,
      );
    }
    throw new RangeError(
      "flags must be UNRELIABLE (0), RELIABLE (1), UNSEQUENCED (2), UNRELIABLE_FRAGMENT (8) or " +
        `UNSEQUENCED_FRAGMENT (10), not ${flags}`,
    );
  }
  return flags as PacketFlag;
}
