/**
 * @file message_walk.h
 * @brief How far ENet walks to find the place of a message among those that have arrived and wait.
 *
 * ENet keeps the messages of a channel that wait in two lists, and searches each from its end. The search
 * here finds what ENet will find, counts the steps that ENet will make, and refuses a message when the steps
 * of a datagram are used up. It changes no list.
 *
 * Call with the host's lock held, within ENet's intercept callback.
 */
#ifndef ENETJS_MESSAGE_WALK_H
#define ENETJS_MESSAGE_WALK_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * Steps in these lists that the messages of a datagram may cause. One takes 5 to 12 ns, because the lists do
 * not fit the first cache.
 */
#define ENETJS_STEPS_MAXIMUM 98304

/** Of one datagram. All zero at its beginning. */
struct enetjs_message_walk {
  size_t steps; /**< that ENet makes for the messages so far, at most */
  struct {
    const ENetList *list; /**< NULL when it has been changed since */
    ENetListIterator at;
    size_t walked; /**< from the end to there */
  } last;          /**< where the last search ended */
};

/** What a search has found. */
struct enetjs_message_place {
  const ENetIncomingCommand *known; /**< ENet has the message, or a part of it; or NULL */
  bool refused;                     /**< the steps of the datagram are used up */
};

/**
 * Searches a list of a channel, from its end, as ENet will.
 * @param unreliable 0 for reliable messages, which have no such number
 * @param fragments of the message, 0 when it is in one piece
 */
struct enetjs_message_place enetjs_message_walk_find(struct enetjs_message_walk *walk, ENetList *list,
                                                       const ENetChannel *channel, enet_uint16 reliable,
                                                       enet_uint16 unreliable, size_t fragments);

/** Counts other steps of ENet in these lists. @returns false when the steps of the datagram are used up */
bool enetjs_message_walk_count(struct enetjs_message_walk *walk, size_t steps);

/** A list has been changed, so the next search begins at its end. */
void enetjs_message_walk_forget(struct enetjs_message_walk *walk);

#endif
