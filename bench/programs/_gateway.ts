/** What the server and the clients of the gateway's measurement agree on. */

/** The first byte of a message that begins a stream to its client. */
export const STREAM = 1;

/** The stream: so many bytes at a time, and how often. It is 1.3 MB a second. */
export const STREAM_BYTES = 65_536;
/** See above. */
export const STREAM_EVERY_MS = 50;
