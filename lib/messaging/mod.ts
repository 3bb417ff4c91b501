/**
 * Messages and requests between two sides, over ENet or TCP, with one interface. Each begun operation ends in
 * exactly one outcome:
 *
 * | begun     | ends in one of                           |
 * | --------- | ---------------------------------------- |
 * | `connect` | ready, or an error                       |
 * | `listen`  | listening, or an error                   |
 * | ready     | closed, because a side asked; or lost    |
 * | `get`     | a reply, or an error that says why none  |
 *
 * No handler is called within a call of the program. No message is told before ready or after the end. The gets
 * that are pending settle before the end is told.
 *
 * ## Addresses
 *
 * An address is `udp://` or `tcp://`, then the host, then `:` and a port from 0 to 65535. The host is a name, an
 * IPv4 address, an IPv6 address in brackets, or `*` to listen on every IPv4 interface. Examples are `udp://*:7000`
 * and `tcp://[::1]:7000`. Port 0 listens on a free port, which `listener.address` tells; one cannot connect to it.
 *
 * ## The wire
 *
 * All numbers are big-endian. A message is a header of 8 bytes and its body:
 *
 * | offset | bytes | what it is                                                                             |
 * | ------ | ----- | -------------------------------------------------------------------------------------- |
 * | 0      | 1     | the version, 1                                                                         |
 * | 1      | 1     | the type, see below                                                                    |
 * | 2      | 1     | flags: bits 0 and 1 are the kind of body; bit 2 is "idempotent"; the others are 0      |
 * | 3      | 1     | 0                                                                                      |
 * | 4      | 4     | the id, see below                                                                      |
 * | 8      |       | the body                                                                               |
 *
 * The kind of body is 0 for bytes, 1 for UTF-8 text, 2 for a value that a codec has encoded. It is 3 for nothing;
 * the body then is empty. Only MESSAGE, REQUEST and REPLY have a kind other than 0, and only REQUEST may be
 * idempotent.
 *
 * | type | name      | id                    | body                                                           |
 * | ---- | --------- | --------------------- | -------------------------------------------------------------- |
 * | 1    | MESSAGE   | 0                     | data                                                           |
 * | 2    | REQUEST   | of the request        | data                                                           |
 * | 3    | REPLY     | of the request        | data                                                           |
 * | 4    | ERROR     | of the request        | a 32-bit code, and at most 65,536 bytes of UTF-8 text          |
 * | 5    | CANCEL    | of the request        | empty                                                          |
 * | 6    | HEARTBEAT | 0                     | empty                                                          |
 * | 7    | CLOSE     | why, see below        | empty                                                          |
 *
 * The side that asks chooses the id: never 0, and never one that is in flight. Each direction has its own ids. An id is
 * in flight until its REPLY or ERROR has arrived, or CANCEL has been sent. REPLY and ERROR for an id that is not in
 * flight are dropped and counted; CANCEL for one is ignored, because an answer may have crossed it.
 *
 * The data of one message is at most `maximumMessageSize` bytes long (16 MiB unless set). A REQUEST above the
 * other side's `maximumRequests` is answered with ERROR, code `"busy"`.
 *
 * **On udp**, a message is one packet of an ENet connection with 2 channels. The client connects with the data
 * 0x6D736731 (`"msg1"`). Reliable messages of all types go on channel 0. MESSAGE with other ENet flags goes on
 * channel 1. HEARTBEAT and CLOSE are not used: ENet pings, and a side closes by `disconnectLater`, with the
 * code as its data. An end with other data, or without, is a lost connection.
 *
 * **On tcp**, a message is a frame: the 32-bit length of header and body, then these. The length is at least 8 and at
 * most `maximumMessageSize` + 8, or 65,548 where that is more (for ERROR). Each side sends a HEARTBEAT first; the
 * connection is ready when that of the other side has arrived. After 1 s without another frame a side sends a
 * HEARTBEAT. A side closes by CLOSE and then FIN; the other side drops what it has queued, sends FIN and ignores what
 * follows. FIN or RST without CLOSE is a lost connection.
 *
 * The codes of a close are 0x6D636C73 (`"mcls"`): the program has closed it; 0x6D707274 (`"mprt"`): the side that
 * closes has received what this section does not allow; 0x66756C6C (`"full"`): it has no room for the connection,
 * which is sent before it is ready.
 *
 * A side closes a connection with `"mprt"` when it receives a header with another version, type or flag. It does
 * so, too, for an id or a length that is not as above, and for a REQUEST whose id is in flight.
 *
 * @module
 */
export { ENetError, type ENetErrorCode } from "../errors.ts";
export { PacketFlag } from "../packet.ts";
export { json } from "./codec.ts";
export { type Client, client, serve } from "./rpc.ts";
export { Messenger } from "./messenger.ts";
export { GetError, type GetOutcome, RefusalCode } from "./errors.ts";
export {
  type MessengerConnectOptions,
  type MessengerHostOptions,
  type MessengerListenHostOptions,
  type MessengerListenOptions,
  type MessengerOptions,
  type TlsConnectOptions,
  type TlsListenOptions,
} from "./messenger_options.ts";
export {
  type Codec,
  type Connection,
  type ConnectionEnd,
  type ConnectionHandlers,
  type ConnectionStats,
  type EndReason,
  type GetOptions,
  type Incoming,
  type IncomingMessage,
  type IncomingRequest,
  type Listener,
  type MessengerAddress,
  type MessengerHandlers,
  type Payload,
  type Protocol,
  type SendOptions,
} from "./types.ts";
