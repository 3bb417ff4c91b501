/**
 * @file inspect.h
 * @brief What a datagram would make ENet do, told before ENet does it.
 *
 * The inspector reads the commands of an opened datagram as ENet will. It takes out those that need more
 * memory than is allowed. Where a command is impossible, or would make ENet work for too long, the datagram
 * ends before it. A command that is left out stays unacknowledged, so its sender sends it again.
 *
 * Commands behind one that is left out are kept, because any of them may be the message that the others wait
 * for.
 *
 * The inspector changes one thing in ENet's lists: it drops unreliable messages that wait, to make room.
 */
#ifndef ENETJS_INSPECT_H
#define ENETJS_INSPECT_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire/acknowledgement_walk.h"
#include "wire/datagram.h"
#include "wire/message_walk.h"

/** Commands of a datagram that ENet is given; a stock ENet sends 32 at most. */
#define ENETJS_COMMANDS_MAXIMUM 255

/**
 * Commands that a peer may have in ENet's lists of what has arrived: out of order, incomplete, or not
 * dispatched yet. This bounds every walk through the lists, also those when a missing message arrives or the
 * peer disconnects. Stock ENet sends no more than 64 KiB of reliable messages unacknowledged, so a sender of
 * messages of 8 bytes or more never has as many out of order.
 */
#define ENETJS_WAITING_COMMANDS 8192

/** More than the messages of one datagram can take, fragments apart. */
#define ENETJS_PLENTY ((size_t)512 * 1024)

/** Incomplete unreliable messages that a channel keeps. */
#define ENETJS_INCOMPLETE_MAXIMUM 128

/** Bytes of the pool that the commands of a datagram may take. */
struct enetjs_allowance {
  size_t ahead;    /**< for messages that are out of order */
  /** a message is refused if more bytes than these would fit between it and the next in order */
  size_t span;
  /** for a complete message that is next in order, and unreliable ones that are not out of order */
  size_t next;
  /**
   * for the first fragment of a message that is next in order: the whole message, if it fits in `host`, too
   */
  size_t assembly;
  size_t host;
  /** else for what has arrived of that message, in a sparse block (pool.h); a peer has one at a time */
  size_t sparse;
  bool has_sparse; /**< the peer has a sparse block */
  size_t control;  /**< for acknowledgements of commands that carry no data */
  size_t outgoing; /**< a number: commands of ours that ENet has, at most, which a DISCONNECT frees */
  /** a number: commands of the peer that may wait in addition, see ENETJS_WAITING_COMMANDS */
  size_t commands;
};

enum enetjs_verdict {
  ENETJS_PASSED,     /**< nothing was left out */
  ENETJS_CUT_MEMORY, /**< an allowance was too small */
  ENETJS_CUT_EXCESS  /**< too many commands or list steps, or an impossible fragment */
};

struct enetjs_inspection {
  enum enetjs_verdict verdict;
  size_t bytes;                 /**< bytes that the commands that are left take, at most */
  size_t steps;                 /**< steps of ENet for messages, at most */
  size_t acknowledgement_steps; /**< steps of ENet for acknowledgements, at most */
  size_t freed;                 /**< commands that a DISCONNECT frees, at most */
  size_t added;                 /**< commands that ENet will receive, at most */
  size_t dropped;               /**< unreliable messages that waited and were dropped */
  size_t reliable;              /**< bytes that new reliable messages take */
  size_t too_large;             /**< length of a message that exceeds the host's maximum, 0 for none */
  size_t sparse;                /**< length of the new message that is to be in a sparse block, 0 for none */
  size_t sparse_written;        /**< length of the fragment of that message */
  bool next_refused;            /**< a message that was next in order did not fit; the next two name it */
  enet_uint8 channel;
  enet_uint16 sequence;
};

/** Shortens the datagram, and notes the kinds of its commands. @param peer that it is from */
struct enetjs_inspection enetjs_inspect(ENetPeer *peer, struct enetjs_datagram *datagram,
                                        const struct enetjs_allowance *allowance);

#endif
