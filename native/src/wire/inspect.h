/**
 * @file inspect.h
 * @brief What a datagram would make ENet do, told before ENet does it.
 *
 * The inspector walks the commands of an opened datagram as ENet will, reads ENet's lists but changes
 * only one thing in them (it drops unreliable messages that wait), and takes out of the datagram the
 * commands that need more memory than is allowed. Where a command would make ENet work for too long, or
 * none can be meant, the datagram ends before it. What is left out stays unacknowledged, so its sender
 * sends it again.
 *
 * Commands behind one that is left out are kept: the message that the others wait for may be any of them.
 */
#ifndef ENETJS_INSPECT_H
#define ENETJS_INSPECT_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire/datagram.h"

/** Commands of a datagram that ENet is given; a stock ENet sends 32 at most. */
#define ENETJS_COMMANDS_MAXIMUM 255

/**
 * Commands that a peer may have in ENet's lists of what has arrived: out of order, incomplete, or not dispatched yet.
 * It bounds every walk, and what a DISCONNECT frees or a missing message sets free. Stock ENet sends no more than 64 KiB
 * of reliable messages unacknowledged, so a sender of messages of 8 bytes or more never has as many out of order.
 */
#define ENETJS_WAITING_COMMANDS 8192

/**
 * Steps in these lists that the messages of a datagram may cause, and steps in the lists of what has been sent that its
 * acknowledgements may. One takes 5 to 12 ns, for the lists miss the first cache. A stock ENet puts 32 commands into a
 * datagram, and we let ENet have ENETJS_INSIDE_MESSAGES (2600) unacknowledged, or fragments of ENETJS_WINDOW_MAXIMUM
 * bytes: 32 of them fit in, wherever they are. A service adds up both for all datagrams (ENETJS_SERVICE_STEPS).
 */
#define ENETJS_STEPS_MAXIMUM 98304
#define ENETJS_ACKNOWLEDGEMENT_STEPS_MAXIMUM 98304

/** More than the messages of one datagram can take, fragments apart. */
#define ENETJS_PLENTY ((size_t)512 * 1024)

/** Incomplete unreliable messages that a channel keeps. */
#define ENETJS_INCOMPLETE_MAXIMUM 128

/** Bytes of the pool that the commands of a datagram may take. */
struct enetjs_allowance {
  size_t ahead;    /**< data that is out of order */
  size_t span;     /**< what is further ahead than so many bytes of such data could fill waits for what is nearer */
  size_t next;     /**< a message that is next in order and complete, and unreliable ones that are not out of order */
  size_t assembly; /**< the first fragment of a message that is next in order: all of the message, */
  size_t host;     /**< if it fits in here, too; */
  size_t sparse;   /**< else what has arrived of it: in a sparse block (pool.h), of which a peer has one at a time */
  bool has_sparse; /**< it has one */
  size_t control;  /**< acknowledgements of commands that carry no data */
  size_t outgoing; /**< not bytes: how many commands of ours ENet has, at most, which a DISCONNECT frees */
  size_t commands; /**< not bytes: how many more commands may wait, see ENETJS_WAITING_COMMANDS */
};

enum enetjs_verdict {
  ENETJS_PASSED,     /**< nothing was left out */
  ENETJS_CUT_MEMORY, /**< an allowance was too small */
  ENETJS_CUT_EXCESS  /**< too many commands or list steps, or an impossible fragment */
};

struct enetjs_inspection {
  enum enetjs_verdict verdict;
  size_t bytes; /**< that the commands that are left take, at most */
  size_t steps;                 /**< of ENet for messages, at most */
  size_t acknowledgement_steps; /**< and for acknowledgements, and commands that a DISCONNECT frees */
  size_t added, dropped;        /**< commands that ENet will have received, at most; waiting ones that are gone already */
  size_t reliable;              /**< bytes that new reliable messages take */
  size_t too_large;             /**< length of a message that exceeds the host's maximum, 0 for none */
  size_t sparse, sparse_written; /**< length of the new message that is to be in a sparse block, 0 for none; its fragment's */
  bool next_refused;            /**< for memory, a message that was next in order: */
  enet_uint8 channel;
  enet_uint16 sequence;
};

/** Shortens the datagram. @param peer that it is from */
struct enetjs_inspection enetjs_inspect(ENetPeer *peer, struct enetjs_datagram *datagram,
                                        const struct enetjs_allowance *allowance);

#endif
