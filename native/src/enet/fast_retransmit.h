/**
 * @file fast_retransmit.h
 * @brief Retransmits a reliable message when acknowledgements show that it is lost; see fast_retransmit.c.
 *
 * With the lock of the host that the peer belongs to held.
 */
#ifndef ENETJS_FAST_RETRANSMIT_H
#define ENETJS_FAST_RETRANSMIT_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stdint.h>

/** Of one connection. All zero at its beginning. Times are ENet's, in milliseconds. */
struct enetjs_fast_retransmit {
  bool begun;               /**< something has been acknowledged */
  bool waits;               /**< for `due`: what has not been acknowledged may have been overtaken */
  enet_uint32 newest;       /**< the latest sent time of anything acknowledged, */
  enet_uint32 round_trip;   /**< and how long after it the acknowledgement came */
  enet_uint32 shortest;     /**< round trip */
  enet_uint32 reordered[2]; /**< by how much at most something was overtaken, in this interval and in the one before */
  enet_uint32 interval;     /**< when this one began */
  enet_uint32 due;
  unsigned steps;           /**< in the list of what is under way, that the last look took */
  uint64_t resent;          /**< commands that were */
  uint64_t needless;        /**< that had arrived, but were sent again, here or by ENet's own timer */
};

/** Where in a datagram's acknowledgements a search is. */
struct enetjs_acknowledgement_search {
  ENetListIterator at;
  unsigned steps;
};

static inline struct enetjs_acknowledgement_search enetjs_acknowledgement_search_of(ENetPeer *peer) {
  return (struct enetjs_acknowledgement_search){enet_list_begin(&peer->sentReliableCommands), 0};
}

/** Whether an ACKNOWLEDGE tells nothing new, because another one of what was sent at its time has been measured. */
static inline bool enetjs_fast_retransmit_knows(const struct enetjs_fast_retransmit *fast, const ENetProtocol *command,
                                                enet_uint32 now) {
  const enet_uint16 time = ENET_NET_TO_HOST_16(command->acknowledge.receivedSentTime);
  return fast->begun && now - (enet_uint16)(now - time) == fast->newest;
}

/**
 * An ACKNOWLEDGE that ENet is about to handle.
 * @returns whether it measures a round trip: the first one of what was sent at its time, and later than any before
 */
bool enetjs_fast_retransmit_acknowledged(struct enetjs_fast_retransmit *fast, const ENetPeer *peer,
                                         const ENetProtocol *command, struct enetjs_acknowledgement_search *search);

/**
 * After ENet has handled all that has arrived: has it send again what is lost by now, up to `room` bytes. Looks again at
 * `due` if that `waits`. @returns how many commands ENet is to send
 */
unsigned enetjs_fast_retransmit_resend(struct enetjs_fast_retransmit *fast, ENetPeer *peer, enet_uint32 now, size_t room);

#endif
