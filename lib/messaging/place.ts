import type { MessengerAddress } from "./types.ts";

/** Where a listener listens. */
export interface Place {
  readonly address: MessengerAddress;
  /** Lets nobody in any more. */
  stop(): void;
  /** Frees the address, once no connection is left. */
  close(): Promise<void>;
}
