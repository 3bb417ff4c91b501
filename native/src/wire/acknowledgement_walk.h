/**
 * @file acknowledgement_walk.h
 * @brief How far ENet walks to find the commands that the acknowledgements of a datagram acknowledge.
 *
 * ENet searches sentReliableCommands from the front. If the command is not there, it searches the commands in
 * front of the first reliable one in outgoingCommands that was never sent; in ENet 1.3.18, in
 * outgoingSendReliableCommands, too.
 *
 * The lists are those before the datagram, but ENet removes what is acknowledged. Acknowledgements come in
 * the order of the list, so the next one is as far from the front as the last one was.
 *
 * Call with the host's lock held, within ENet's intercept callback.
 */
#ifndef ENETJS_ACKNOWLEDGEMENT_WALK_H
#define ENETJS_ACKNOWLEDGEMENT_WALK_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * Steps that the acknowledgements of a datagram may cause. One takes 5 to 12 ns, because the lists do not fit
 * the first cache. A stock ENet puts 32 commands into a datagram. libenetjs lets ENet have
 * ENETJS_INSIDE_MESSAGES (2600) of its commands unacknowledged, or fragments of ENETJS_WINDOW_MAXIMUM bytes.
 * 32 acknowledgements fit in, wherever they are.
 */
#define ENETJS_ACKNOWLEDGEMENT_STEPS_MAXIMUM 98304

/** Of one datagram. */
struct enetjs_acknowledgement_walk {
  ENetPeer *peer;
  size_t steps;           /**< that ENet makes so far, at most */
  ENetListIterator after; /**< where the command of the next acknowledgement is looked for first */
  size_t before;          /**< commands that ENet passes to get there */
};

/** Begins with a datagram of a peer. */
static inline struct enetjs_acknowledgement_walk enetjs_acknowledgement_walk_of(ENetPeer *peer) {
  struct enetjs_acknowledgement_walk walk = {peer, 0, enet_list_begin(&peer->sentReliableCommands), 0};
  return walk;
}

/** Counts the steps for an acknowledgement. @returns false when the steps of the datagram are used up */
bool enetjs_acknowledgement_walk_find(struct enetjs_acknowledgement_walk *walk,
                                        const ENetProtocolAcknowledge *acknowledgement);

#endif
