/**
 * @file inspect.h
 * @brief What a datagram would make ENet do, told before ENet does it.
 *
 * The inspector walks the commands of an opened datagram as ENet will, reads ENet's lists but changes
 * only one thing in them (it drops unreliable messages that wait), and shortens the datagram before the
 * first command that costs more than is allowed. What is cut off stays unacknowledged, so its sender
 * sends it again.
 */
#ifndef ENETJS_INSPECT_H
#define ENETJS_INSPECT_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire/datagram.h"

/** Commands of a datagram that ENet is given; a stock ENet sends 32 at most. */
#define ENETJS_COMMANDS_MAXIMUM 255

/** List steps that a datagram may cause. One retransmission that passes a full reliable window fits in. */
#define ENETJS_STEPS_MAXIMUM 32768

/** Incomplete unreliable messages that a channel keeps. */
#define ENETJS_INCOMPLETE_MAXIMUM 128

/** Bytes of the pool that the commands of a datagram may take. */
struct enetjs_allowance {
  size_t ahead;    /**< data that is out of order */
  size_t next;     /**< a message that is next in order and complete, and unreliable ones that are not out of order */
  size_t assembly; /**< the first fragment of a message that is next in order: all of the message */
  size_t control;  /**< acknowledgements of commands that carry no data */
};

enum enetjs_verdict {
  ENETJS_PASSED,     /**< nothing was cut off */
  ENETJS_CUT_MEMORY, /**< an allowance was too small */
  ENETJS_CUT_EXCESS  /**< too many commands or list steps, or an impossible fragment */
};

struct enetjs_inspection {
  enum enetjs_verdict verdict;
  size_t bytes; /**< that the commands that are left take, at most */
  size_t steps; /**< that the inspector has made; ENet makes at most twice as many */
};

/** Shortens the datagram. @param peer that it is from */
struct enetjs_inspection enetjs_inspect(ENetPeer *peer, struct enetjs_datagram *datagram,
                                        const struct enetjs_allowance *allowance);

#endif
