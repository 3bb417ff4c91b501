/**
 * The option of commands that announce servers and look for them.
 *
 * @module
 */
import { DISCOVERY_PORT } from "../../discovery/options.ts";
import type { OptionTable } from "../frame/options.ts";

/** Where servers and those who look for them meet. */
export const PORT_OPTION = {
  "discovery-port": {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 65_535,
    initial: DISCOVERY_PORT,
    help: "UDP port that all announced servers of a network share",
  },
} as const satisfies OptionTable;
