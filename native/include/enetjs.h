/**
 * @file enetjs.h
 * @brief The native border of @enetjs/enet: an ENet host as a monitor with an event ring.
 *
 * Conventions, true for every function unless its comment says otherwise:
 *
 * - Numbers cross the border as `double` (exact below 2^53), because that is the one argument type
 *   which costs a few nanoseconds on Deno, Bun and Node alike. `uint8_t *` parameters are buffers
 *   that belong to the caller and are used only during the call.
 * - Results that are negative are errors (`ENETJS_ERR_…`); zero and above is success.
 * - A host is a handle (index + generation), a peer is `generation * 4096 + index` within its host,
 *   a packet is a handle. A stale handle gives an error, never another object.
 * - Every function may be called from any thread; calls on one host take that host's lock. The ring
 *   in shared memory is written only inside calls made by its consumer, never by a library thread.
 *
 * The numbers that these functions take and return are in enetjs_layout.h.
 *
 * Sections, in this order:
 *
 * - Library
 * - Host: life
 * - Host: service
 * - Host: connections and broadcasts
 * - Host: settings
 * - Host: datagrams, address, statistics
 * - Host: simulated network
 * - Host: captures
 * - Peer
 * - Packet
 * - Channel
 * - Watch
 * - Shared port
 * - Link
 */
#ifndef ENETJS_H
#define ENETJS_H

#include <stddef.h>
#include <stdint.h>

#include "enetjs_layout.h"

#if defined(_WIN32)
#define ENETJS_API __declspec(dllexport)
#else
#define ENETJS_API __attribute__((visibility("default")))
#endif

/* ---- Library ------------------------------------------------------------------------------ */

/** @returns ENETJS_ABI_VERSION of the loaded library. Call it before anything else. */
ENETJS_API double enetjs_abi_version(void);

/** @returns the version of the libenet in use as major * 65536 + minor * 256 + patch. */
ENETJS_API double enetjs_libenet_version(void);

/**
 * Tells how datagrams pass between ENet and the system.
 * @returns 1: by way of this library, many with one system call where the system can; 0: one by one, as
 *   libenet does by itself, because its calls do not reach this library, for example because the process had
 *   loaded libenet before
 */
ENETJS_API double enetjs_datagrams_batched(void);

/** Writes the version of libsodium. @returns its length, 0 where there is no libsodium, or ERR_ARGUMENT */
ENETJS_API double enetjs_sodium_version(uint8_t *out, double capacity);

/**
 * Reports every number that C and TypeScript must agree on.
 * @param out receives doubles: the constants of this header in the order of `library.c`
 * @param capacity size of `out` in bytes
 * @returns how many numbers there are; only those that fit are written
 */
ENETJS_API double enetjs_layout(uint8_t *out, double capacity);

/**
 * Describes an error code.
 * @param code a negative result of any function
 * @param out receives UTF-8 text without terminator, cut at `capacity` bytes
 * @returns the length of the text in bytes
 */
ENETJS_API double enetjs_error_text(double code, uint8_t *out, double capacity);

/**
 * Reads the library's live counters (ENETJS_DIAGNOSTIC_…).
 * @param out receives doubles
 * @param capacity size of `out` in bytes
 * @returns how many counters there are; only those that fit are written
 */
ENETJS_API double enetjs_diagnostics(uint8_t *out, double capacity);

/**
 * Calls a C function by its address, with the calling convention of a variadic one, which ordinary
 * functions take too. For what a runtime's own FFI cannot call.
 * @param frame 64-bit words: the function, ENETJS_CALL_… of its result, the number of arguments, room
 *   for the result, then for each argument ENETJS_CALL_… and its bits; small integers are extended
 * @param bytes size of `frame`
 * @returns 0 when the function was called; ENETJS_ERR_ARGUMENT for an invalid frame, for more
 *   arguments than can be passed, and on platforms other than x86-64 and ARM64
 */
ENETJS_API double enetjs_call(uint8_t *frame, double bytes);

/* ---- Host: life ------------------------------------------------------------------------ */

/**
 * Creates a host and binds its socket. The host belongs to the calling thread: it is closed, with the
 * descriptor of `enetjs_host_start`, when that thread exits before it was.
 * @param config ENETJS_CONFIG_COUNT doubles
 * @param configBytes size of `config`
 * @param shared the shared block; must stay valid until `enetjs_host_close` returns. It is touched
 *   only inside calls on this host made by the caller's side, never by a library thread
 * @param sharedBytes its size, exactly what the configuration asks for
 * @param arena the arena, aligned to 8, under the same rule
 * @param arenaBytes its size, ENETJS_CONFIG_ARENA_BYTES
 * @returns a host handle, or ERR_ARGUMENT, LAYOUT, MEMORY, LIMIT, ADDRESS_IN_USE,
 *   ADDRESS_UNAVAILABLE, ADDRESS_FAMILY, PERMISSION, SOCKET, LIBENET, UNGUARDED, REUSE_PORT; with
 *   ENETJS_CONFIG_SHARED_PORT, after two seconds at most, SOCKETS_TAKEN, NO_HOLDER
 */
ENETJS_API double enetjs_host_create(const uint8_t *config, double configBytes, uint8_t *shared,
                                     double sharedBytes, uint8_t *arena, double arenaBytes);

/**
 * Gives a host another arena of the same size, after JavaScript has detached the first. Payloads in that one
 * are lost.
 * @returns 0, or ERR_CLOSED, ARGUMENT
 */
ENETJS_API double enetjs_host_set_arena(double host, uint8_t *arena, double arenaBytes);

/**
 * Starts the pump thread of a host that was configured with one. One byte on a stream wakes the consumer,
 * which should then call `enetjs_host_service`. When its end of the stream is closed before
 * `enetjs_host_close` (its thread was terminated), the pump closes the host.
 * @param port 0; or where a consumer that cannot take over a descriptor listens for TCP, on 127.0.0.1. The
 *   library connects there, within two seconds, and sends the secret first
 * @param secret bytes by which the consumer knows this connection from others; not used where `port` is 0
 * @param secretBytes how many, 1 to 64
 * @returns the descriptor of the consumer's end, which belongs to the caller; it closes that after
 *   `enetjs_host_close`. 0 where the library has connected to a port. Or ERR_CLOSED, ARGUMENT (no pump
 *   configured, or started before), THREAD, LIMIT, SOCKET
 */
ENETJS_API double enetjs_host_start(double host, double port, const uint8_t *secret, double secretBytes);

/**
 * Prepares a host for its end: disconnects every peer once everything queued to it has been delivered,
 * also peers whose connect events have not been read. A peer that connects from now on is disconnected
 * without a connect event. When no peer is left, ENETJS_COMPLETION_SHUTDOWN follows, once. From now on
 * ENETJS_HOST_STAT_UNDELIVERED_… count what is dropped from the queues.
 * @param data 32-bit value that the other sides read with their disconnect events
 * @returns 1 when there are peers to wait for, 0 when there are none (then there is no completion), or
 *   ERR_CLOSED, ARGUMENT
 */
ENETJS_API double enetjs_host_shutdown(double host, double data);

/**
 * Closes a host: joins its pump, sends one DISCONNECT, which may be lost, to each peer that has had
 * none, and frees all memory of the host. The same happens when the thread that the host belongs to exits.
 * When the process exits, the DISCONNECTs are sent. Tokens that have not come back by then never do.
 * Writes ENETJS_HOST_STAT_UNDELIVERED_… into the statistics block.
 * @returns 0, or ERR_CLOSED if it was closed before
 */
ENETJS_API double enetjs_host_close(double host);

/* ---- Host: service --------------------------------------------------------------------- */

/**
 * Services the host: takes what has arrived, sends what is due, moves events into the rings.
 * @param timeoutMs how long to wait for an event, in milliseconds; 0 never waits. Waiting ends with
 *   the first record in either ring
 * @returns the number of records the rings hold, or ERR_CLOSED, SOCKET
 */
ENETJS_API double enetjs_host_service(double host, double timeoutMs);

/**
 * Waits for the next message in place of the pump, if ENETJS_WORD_ATTENDED is 1. It does not sleep, and
 * returns after at most 20 microseconds, so that the consumer can do other work in between.
 * @returns ENETJS_ATTEND_…, or ERR_CLOSED
 */
ENETJS_API double enetjs_host_attend(double host);

/** Sends what is queued, without receiving. @returns 0, or ERR_CLOSED. */
ENETJS_API double enetjs_host_flush(double host);

/** Empties the outbox, and nothing else. @returns 0, or ERR_CLOSED. */
ENETJS_API double enetjs_host_push(double host);

/* ---- Host: connections and broadcasts -------------------------------------------------- */

/**
 * Begins a connection.
 * @param address IPv4 in host byte order, or ENETJS_ENDPOINT
 * @param data 32-bit value the other side reads with its connect event
 * @returns the peer id, or ERR_CLOSED, ARGUMENT, PEERS_EXHAUSTED, ADDRESS_FAMILY
 */
ENETJS_API double enetjs_host_connect(double host, double address, double port, double channels, double data);

/**
 * Begins an encrypted connection; see docs/security-protocol.md.
 * @param security keys and token, as ENETJS_SECURITY_… and ENETJS_ATTEMPT_… say; copied
 * @returns as enetjs_host_connect, or ERR_SECURITY, KEY_PAIR, UNGUARDED
 */
ENETJS_API double enetjs_host_connect_secured(double host, double address, double port, double channels,
                                              double data, const uint8_t *security, double bytes);

/**
 * Has a host accept encrypted connections. Before its first service.
 * @param security keys and issuers, as ENETJS_SECURITY_… and ENETJS_SERVER_… say; copied
 * @returns 0, or ERR_CLOSED, ARGUMENT, MEMORY, SECURITY, KEY_PAIR, UNGUARDED
 */
ENETJS_API double enetjs_host_set_security(double host, const uint8_t *security, double bytes);

/**
 * Queues a message to many peers; see `enetjs_peer_send` for the payload. Peers that have ended, that are
 * connecting or disconnecting, or that have no such channel are left out.
 * @param peers peer ids, as doubles
 * @param bytes size of `peers`
 * @param mode ENETJS_BROADCAST_…
 * @returns the number of peers it was queued to, or ERR_CLOSED, ARGUMENT, TOO_LARGE, MEMORY
 */
ENETJS_API double enetjs_host_broadcast(double host, double channel, double flags, double offset,
                                        double length, const uint8_t *peers, double bytes, double mode);

/** As `enetjs_host_broadcast`, with the payload in a buffer. */
ENETJS_API double enetjs_host_broadcast_buffer(double host, double channel, double flags, const uint8_t *data,
                                               double length, const uint8_t *peers, double bytes,
                                               double mode);

/** As `enetjs_host_broadcast`, forwarding a native packet without a copy. */
ENETJS_API double enetjs_host_broadcast_packet(double host, double channel, double flags, double packet,
                                               const uint8_t *peers, double bytes, double mode);

/* ---- Host: settings -------------------------------------------------------------------- */

/**
 * Changes an option of a live host.
 * @param option ENETJS_CONFIG_INCOMING_BANDWIDTH (value: incoming, second: outgoing), CHANNELS,
 *   COMPRESSION, CHECKSUM, MTU, DUPLICATE_PEERS, MAXIMUM_PACKET_SIZE, MAXIMUM_WAITING_DATA,
 *   MAXIMUM_HOST_DATA, RECEIVE_BUFFER, SEND_BUFFER, STALL_LIMIT, SPIN, HIGH_WATER, DATAGRAMS, ACCEPT,
 *   FILTER_REFUSES, THROTTLE, REMOTE_THROTTLE, CONGESTION
 * @returns 0, or ERR_CLOSED, ARGUMENT, SOCKET
 */
ENETJS_API double enetjs_host_set(double host, double option, double value, double second);

/**
 * Replaces the address filter. A datagram is dropped when its source matches a denied range, or when
 * there are allowed ranges and it matches none. ENet never sees a dropped datagram.
 * @param rules u32 triples: first address, last address (IPv4, host byte order), ENETJS_FILTER_…; at most
 *   ENETJS_MAXIMUM_FILTER_RULES. An IPv6 prefix takes two: the first two words of its address and the kind,
 *   then the other two words and its length in bits
 * @param bytes size of `rules`
 * @returns 0, or ERR_CLOSED, ARGUMENT, MEMORY
 */
ENETJS_API double enetjs_host_set_filter(double host, const uint8_t *rules, double bytes);

/**
 * Answers a question, see ENETJS_COMPLETION_QUESTION. A client that is refused is told a number, which it
 * gets with ENETJS_REASON_REFUSED, or with a disconnect event in a program on ENet. Service the host
 * afterwards.
 * @param question its number
 * @param verdict ENETJS_ACCEPT, or the number to refuse with, 0 to 2^32 - 1; ENETJS_CODE_UNDECIDED counts as
 *   no decision
 * @returns 0, or ERR_CLOSED, ARGUMENT, STALE when there is no such question, or it is answered or too old
 */
ENETJS_API double enetjs_host_answer(double host, double question, double verdict);

/**
 * Replaces all limits. A host has none at first. CONNECTs are not limited on a host that takes none.
 * @param limits pairs of doubles, one for each ENETJS_LIMIT_…: units a second, 1 / ENETJS_SLOWEST_SECONDS to
 *   2^32 - 1, or 0 for no limit; and the burst, 1 to 2^32 - 1 units, for bytes at least the largest MTU
 * @param bytes size of `limits`
 * @param disconnects 1: peers that exceed theirs are disconnected, with ENETJS_REASON_LIMIT; 0: what
 *   exceeds it is dropped
 * @returns 0, or ERR_CLOSED, ARGUMENT, MEMORY
 */
ENETJS_API double enetjs_host_set_limits(double host, const uint8_t *limits, double bytes,
                                         double disconnects);

/* ---- Host: datagrams, address, statistics ---------------------------------------------- */

/**
 * Sends a raw datagram from the host's socket.
 * @param address IPv4 in host byte order, or ENETJS_ENDPOINT
 * @param offset payload position in the shared block
 * @returns the bytes sent, 0 when the socket's buffer is full or there is no way to the address, or
 *   ERR_CLOSED, ARGUMENT, TOO_LARGE, SOCKET, ADDRESS_FAMILY
 */
ENETJS_API double enetjs_host_send_datagram(double host, double address, double port, double offset,
                                            double length);

/**
 * Reads the local address. Before an unbound client first sends, all of it is 0.
 * @returns IPv4 * 65536 + port, or ENETJS_ADDRESS_IPV6 + port with the address in the words of
 *   ENETJS_WORD_ENDPOINT, or ERR_CLOSED
 */
ENETJS_API double enetjs_host_address(double host);

/** @returns ENETJS_REACHES_…, or ERR_CLOSED. */
ENETJS_API double enetjs_host_reaches(double host);

/**
 * The number of a network interface, for link-local addresses.
 * @param name UTF-8
 * @param bytes of the name
 * @returns the number, or 0 when there is no such interface
 */
ENETJS_API double enetjs_interface_number(const uint8_t *name, double bytes);

/**
 * The name of a network interface.
 * @returns its bytes in `out`, or 0 when there is no such interface, or there is no room
 */
ENETJS_API double enetjs_interface_name(double number, uint8_t *out, double capacity);

/** Writes ENETJS_HOST_STAT_… into the statistics block. @returns 0, or ERR_CLOSED. */
ENETJS_API double enetjs_host_stats(double host);

/* ---- Host: simulated network ---------------------------------------------------------------- */

/**
 * Puts a simulated network between a host and its socket, or replaces it. Random numbers and counters start
 * again. Datagrams under way arrive when they would have.
 * @param links doubles, ENETJS_LINK_COUNT for each link, at most ENETJS_MAXIMUM_LINKS links. The first is for
 *   addresses that none of the others is for, and of these the first that fits counts
 * @param bytes size of `links`; 0 takes the network away: what is under way then arrives at once
 * @param seed 0 to 2^32 - 1, of all random numbers
 * @returns 0, or ERR_CLOSED, ARGUMENT, MEMORY, UNGUARDED where libenet's calls do not reach this library
 */
ENETJS_API double enetjs_host_set_conditions(double host, const uint8_t *links, double bytes, double seed);

/**
 * Drops every datagram that is sent or received from now on, for some time.
 * @param ms how long, in milliseconds; 0 ends it
 * @returns 0, or ERR_CLOSED, ARGUMENT, STALE when there is no simulated network
 */
ENETJS_API double enetjs_host_blackout(double host, double ms);

/**
 * Counts what has become of the datagrams.
 * @param out receives doubles: ENETJS_FATE_COUNT for what was sent, then as many for what was received
 * @param bytes size of `out`, which must be that of all of them
 * @returns 0, or ERR_CLOSED, ARGUMENT, STALE when there is no simulated network
 */
ENETJS_API double enetjs_host_fates(double host, uint8_t *out, double bytes);

/* ---- Host: captures ------------------------------------------------------------------------- */

/**
 * Begins to write what a host sends and receives to a pcapng file, which is replaced. A thread writes it: the
 * host never waits for the disk. Errors of the file that come later are told by enetjs_capture_state.
 * @param path of the file, without a zero at its end
 * @param plain 1: before encryption, and without a simulated network; 0: as on the network
 * @param maximumBytes of a file, from ENETJS_CAPTURE_MINIMUM on; another file begins then
 * @param files that are kept, 1 to ENETJS_CAPTURE_MAXIMUM_FILES
 * @returns a handle of the capture, or ERR_CLOSED, ARGUMENT, MEMORY, THREAD, FILE, FILE_IN_USE, LIMIT when
 *   the host has 4 or the process has 64, UNGUARDED where libenet's calls do not reach this library
 */
ENETJS_API double enetjs_host_capture(double host, const uint8_t *path, double pathBytes, double plain,
                                      double maximumBytes, double files);

/**
 * Ends a capture. The rest is still written when this returns: enetjs_capture_state tells until when. A
 * capture also ends with its host.
 * @returns 0, or ERR_CLOSED, STALE when it has ended
 */
ENETJS_API double enetjs_host_end_capture(double host, double capture);

/**
 * Tells what has become of a capture, also after its host has closed.
 * @param out receives doubles, ENETJS_CAPTURE_STAT_…
 * @param bytes size of `out`, which must be that of all of them
 * @returns 0, or ERR_ARGUMENT, STALE when it ended before 64 others began
 */
ENETJS_API double enetjs_capture_state(double capture, uint8_t *out, double bytes);

/* ---- Peer --------------------------------------------------------------------------------- */

/**
 * Queues a message. ENet holds a bounded part of a peer's queue, this library the rest.
 * @param flags ENET_PACKET_FLAG_RELIABLE, _UNSEQUENCED, _UNRELIABLE_FRAGMENT
 * @param offset payload position in scratch or arena; the bytes are copied
 * @param token 0, or a u32 that comes back in exactly one DELIVERED or UNDELIVERED completion
 * @returns 0, 1 when the peer's queue is above its high-water mark (a DRAIN completion will follow),
 *   or ERR_CLOSED, STALE, NOT_CONNECTED, ARGUMENT, CHANNEL, TOO_LARGE, MEMORY; after an error no
 *   completion follows
 */
ENETJS_API double enetjs_peer_send(double host, double peer, double channel, double flags, double offset,
                                   double length, double token);

/** As `enetjs_peer_send`, with the payload in a buffer. */
ENETJS_API double enetjs_peer_send_buffer(double host, double peer, double channel, double flags,
                                          const uint8_t *data, double length, double token);

/** As `enetjs_peer_send`, forwarding a native packet without a copy; the queue takes its own reference. */
ENETJS_API double enetjs_peer_send_packet(double host, double peer, double channel, double flags,
                                          double packet, double token);

/**
 * Ends a connection. A CLOSED completion follows, and a DISCONNECT event if it was connected.
 * @param mode ENETJS_DISCONNECT, _NOW or _LATER
 * @returns 0, or ERR_CLOSED, STALE, ARGUMENT
 */
ENETJS_API double enetjs_peer_disconnect(double host, double peer, double data, double mode);

/**
 * Forgets a peer without telling the other side; completions as for a disconnect. @returns 0, or ERR_CLOSED,
 * STALE.
 */
ENETJS_API double enetjs_peer_reset(double host, double peer);

/** Queues a ping. @returns 0, or ERR_CLOSED, STALE, NOT_CONNECTED. */
ENETJS_API double enetjs_peer_ping(double host, double peer);

/**
 * Changes an option (ENETJS_PEER_…) of a connection.
 * @returns 0, or ERR_CLOSED, STALE, ARGUMENT, CHANNEL, MEMORY, NOT_CONNECTED (throttle and priority)
 */
ENETJS_API double enetjs_peer_set(double host, double peer, double option, double a, double b, double c);

/**
 * What is known about the client that an ENETJS_COMPLETION_QUESTION is about.
 * @param question its number
 * @param out ENETJS_SECURITY_FACTS_BYTES bytes
 * @returns bytes written, 0 where the connection would be plain, or ERR_CLOSED, STALE, ARGUMENT
 */
ENETJS_API double enetjs_question_security(double host, double question, uint8_t *out, double capacity);

/** @returns the ENetPeerState (0–9), or ERR_CLOSED, STALE. */
ENETJS_API double enetjs_peer_state(double host, double peer);

/** Writes ENETJS_PEER_STAT_… into the statistics block. @returns 0, or ERR_CLOSED, STALE. */
ENETJS_API double enetjs_peer_stats(double host, double peer);

/* ---- Packet ------------------------------------------------------------------------------- */

/**
 * Creates a packet of zeros, to be written in place or by `enetjs_packet_write` and then sent.
 * @returns a handle that is JavaScript's reference, or ERR_ARGUMENT, MEMORY
 */
ENETJS_API double enetjs_packet_create(double length);

/**
 * Creates a packet over memory of the caller's, which must stay valid and in place while
 * `enetjs_packet_references` is above 1, and until the handle is released. As long as such a packet
 * is queued to a host, that host's pump does not service, so that no library thread reads it.
 * @returns as `enetjs_packet_create`
 */
ENETJS_API double enetjs_packet_share(uint8_t *data, double length);

/** Copies into a native packet. @returns the bytes copied, or ERR_STALE, ARGUMENT */
ENETJS_API double enetjs_packet_write(double packet, const uint8_t *data, double length);

/**
 * Makes a received packet outlive its host: from now on only `enetjs_packet_release` drops JavaScript's
 * reference. Call it before `enetjs_packet_address`.
 * @param counted 1: it goes on counting towards its host's MAXIMUM_HOST_DATA, because it waits for the
 *   program or is lent to it; 0: it is the program's own
 * @returns 0, or ERR_STALE, ARGUMENT
 */
ENETJS_API double enetjs_packet_keep(double packet, double counted);

/** @returns the address of a packet's bytes, or ERR_STALE. */
ENETJS_API double enetjs_packet_address(double packet);

/** @returns how many refer to a packet: JavaScript once, and each message queued from it; or ERR_STALE. */
ENETJS_API double enetjs_packet_references(double packet);

/**
 * Copies out of a native packet.
 * @param packet handle: generation * 2^32 + index
 * @returns the bytes copied, or ERR_STALE, ARGUMENT
 */
ENETJS_API double enetjs_packet_read(double packet, uint8_t *out, double length);

/**
 * Gives up JavaScript's reference to a packet. A received packet that was not kept is given up with its
 * host at the latest.
 * @returns 0, or ERR_STALE
 */
ENETJS_API double enetjs_packet_release(double packet);

/* ---- Channel ------------------------------------------------------------------------------ */

/**
 * Creates a channel to a plugin. It belongs to the calling thread, and is closed when that exits.
 * @param path the plugin's file, UTF-8
 * @param configuration bytes for the plugin's `initialize`
 * @param sendBytes largest message to the plugin, 1 to ENETJS_CHANNEL_MAXIMUM_BYTES
 * @param receiveBytes largest message from the plugin
 * @param updateIntervalMs how often the plugin's `update` is called; 0: as the plugin asks for
 * @returns a channel handle, or ERR_ARGUMENT, MEMORY, LIMIT, SOCKET, LIBENET
 */
ENETJS_API double enetjs_channel_open(const uint8_t *path, double pathBytes, const uint8_t *configuration,
                                      double configurationBytes, double sendBytes, double receiveBytes,
                                      double updateIntervalMs);

/**
 * Starts the thread that loads and runs the plugin. A byte arrives on a stream whenever a wish of this end
 * has come true or the channel's state has changed.
 * @param port where the stream ends, and `secret`, `secretBytes`: as of `enetjs_host_start`
 * @returns the descriptor of the caller's end, which it closes after `enetjs_channel_close`, or 0 with a
 *   port. Or ERR_CLOSED, ARGUMENT (started before), THREAD, SOCKET
 */
ENETJS_API double enetjs_channel_start(double channel, double port, const uint8_t *secret,
                                       double secretBytes);

/** @returns the address of the channel's block, to be used until `enetjs_channel_close`; or ERR_CLOSED. */
ENETJS_API double enetjs_channel_address(double channel);

/** Wakes the plugin's side. @returns 0, or ERR_CLOSED. */
ENETJS_API double enetjs_channel_notify(double channel);

/**
 * @returns ENETJS_CHANNEL_STATE_…; or what ended the channel: ERR_PLUGIN_…, FAULT; or ERR_CLOSED, also
 *   after `enetjs_channel_close` once its end is complete
 */
ENETJS_API double enetjs_channel_state(double channel);

/**
 * Tells what ended a channel, or what its plugin is called, once that is loaded.
 * @param which ENETJS_CHANNEL_TEXT_…
 * @param out receives UTF-8 text without terminator, cut at `capacity` bytes
 * @returns the length of the text in bytes, or ERR_CLOSED, ARGUMENT
 */
ENETJS_API double enetjs_channel_text(double channel, double which, uint8_t *out, double capacity);

/**
 * Closes a channel. The caller must not touch its memory any more. Messages that have not been taken
 * are dropped, the plugin is shut down on its thread, and then everything is freed.
 * @param keepMemory 1: a view of the block could not be detached, so the block is never freed
 * @returns 0 when that is done, 1 when the thread will do it and send a last byte, or ERR_CLOSED
 */
ENETJS_API double enetjs_channel_close(double channel, double keepMemory);

/* ---- Watch -------------------------------------------------------------------------------- */

/**
 * Begins to watch a descriptor, with a thread that sleeps in poll(): for pipes and devices, which the event
 * loops of runtimes do not take. Windows has sockets only. The watch belongs to the calling thread, and is
 * closed when that exits.
 * @param fd a descriptor of the caller's, to be closed after `enetjs_watch_close`
 * @param port where the stream ends, and `secret`, `secretBytes`: as of `enetjs_host_start`
 * @returns a handle, or ERR_ARGUMENT, LIMIT, SOCKET, THREAD
 */
ENETJS_API double enetjs_watch_open(double fd, double port, const uint8_t *secret, double secretBytes);

/**
 * @returns the descriptor on which a byte arrives when an armed watch is ready. It belongs to the caller, who
 *   closes it after `enetjs_watch_close`. 0 where the watch was opened with a port. Or ERR_CLOSED
 */
ENETJS_API double enetjs_watch_descriptor(double watch);

/**
 * Waits once. A watch that is armed already waits for this instead.
 * @param wanted ENETJS_WATCH_READ and _WRITE, or 0 to wait for the end of the other side only
 * @returns 0, or ERR_ARGUMENT, CLOSED
 */
ENETJS_API double enetjs_watch_arm(double watch, double wanted);

/** @returns what has been found since the last call: ENETJS_WATCH_… bits; or ERR_CLOSED. */
ENETJS_API double enetjs_watch_ready(double watch);

/** Ends a watch, and waits until its thread looks at the descriptor no more. @returns 0, or ERR_CLOSED. */
ENETJS_API double enetjs_watch_close(double watch);

/* ---- Shared port -------------------------------------------------------------------------- */

/**
 * Opens several sockets on one port, for hosts of other threads and processes of the same user. A thread
 * hands each host with ENETJS_CONFIG_SHARED_PORT a socket that no other host has, until that host is closed
 * or its process has ended. The port belongs to the calling thread, and is closed when that exits. Linux
 * only.
 * @param config as for `enetjs_host_create`, where ADDRESS, PORT, and all of IPV6 tell where
 * @param configBytes size of `config`
 * @param sockets 1 to ENETJS_MAXIMUM_WORKERS
 * @param out receives ENETJS_PORT_COUNT doubles
 * @param outBytes size of `out`
 * @returns a handle, or ERR_ARGUMENT, REUSE_PORT, LIMIT, THREAD, MEMORY, ADDRESS_IN_USE, ADDRESS_UNAVAILABLE,
 *   ADDRESS_FAMILY, PERMISSION, SOCKET, LIBENET
 */
ENETJS_API double enetjs_port_open(const uint8_t *config, double configBytes, double sockets, uint8_t *out,
                                   double outBytes);

/** @returns how many of its sockets have a worker now, or ERR_CLOSED. */
ENETJS_API double enetjs_port_workers(double port);

/**
 * Closes the sockets that have no worker, and hands out no more. Workers keep theirs. @returns 0, or
 * ERR_CLOSED.
 */
ENETJS_API double enetjs_port_close(double port);

/* ---- Link --------------------------------------------------------------------------------- */

/**
 * Opens a link of a simulated network for the datagrams of any program: the caller sends and receives them.
 * It simulates what enetjs_host_set_conditions does for a host.
 * @param link ENETJS_LINK_COUNT doubles; the addresses do not count
 * @param bytes size of `link`
 * @param seed 0 to 2^32 - 1, of all random numbers
 * @returns a handle, or ERR_ARGUMENT, MEMORY, LIMIT when there are 4096
 */
ENETJS_API double enetjs_link_open(const uint8_t *link, double bytes, double seed);

/**
 * A datagram enters the link; it is copied.
 * @param direction 0: as if sent, 1: as if received
 * @param data not NULL, also without bytes
 * @returns 0, also when it is lost, or ERR_ARGUMENT, CLOSED
 */
ENETJS_API double enetjs_link_enter(double link, double direction, const uint8_t *data, double length);

/**
 * Takes the next datagram that has passed the link, if one is due.
 * @returns its length + 1, or 0 when none is due; or ERR_ARGUMENT, CLOSED, TOO_LARGE when `capacity` bytes
 *   are too few
 */
ENETJS_API double enetjs_link_take(double link, double direction, uint8_t *out, double capacity);

/** @returns milliseconds until one is due, ENETJS_NOTHING_HELD when none is on its way, or ERR_CLOSED */
ENETJS_API double enetjs_link_wait(double link);

/** Counts what has become of the datagrams, as enetjs_host_fates. @returns 0, or ERR_ARGUMENT, CLOSED */
ENETJS_API double enetjs_link_fates(double link, uint8_t *out, double bytes);

/** Closes the link; what is on its way is lost. @returns 0 or ERR_CLOSED */
ENETJS_API double enetjs_link_close(double link);

#endif
