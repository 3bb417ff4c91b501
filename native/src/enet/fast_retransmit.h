/**
 * @file fast_retransmit.h
 * @brief Retransmits a reliable message when acknowledgements show that it is lost; see fast_retransmit.c.
 *
 * Call with the lock of the peer's host held.
 */
#ifndef ENETJS_FAST_RETRANSMIT_H
#define ENETJS_FAST_RETRANSMIT_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stdint.h>

/** What is known of one connection. All zero at its beginning. Times are ENet's, in milliseconds. */
struct enetjs_fast_retransmit {
  bool begun;               /**< something has been acknowledged */
  bool waits;               /**< something may be lost; it is to be looked at again at `due` */
  bool path_lost;           /**< what was sent up to `path_lost_at` went where the peer is no more */
  enet_uint32 path_lost_at;
  enet_uint32 newest;       /**< the latest sent time that was acknowledged */
  enet_uint32 round_trip;   /**< how long after `newest` its acknowledgement came */
  enet_uint32 shortest;     /**< the shortest round trip */
  /** the largest delay by which a command was overtaken: this interval, and the one before */
  enet_uint32 reordered[2];
  enet_uint32 interval;     /**< when the current interval began */
  enet_uint32 due;
  unsigned steps;           /**< commands that the last enetjs_fast_retransmit_resend walked */
  uint64_t resent;          /**< commands that were sent again here */
  /** commands that were sent again although they had arrived, here or by ENet's timer */
  uint64_t needless;
};

/** Where the search for the commands that a datagram acknowledges stands. */
struct enetjs_acknowledgement_search {
  ENetListIterator at;
  unsigned steps;
};

static inline struct enetjs_acknowledgement_search enetjs_acknowledgement_search_of(ENetPeer *peer) {
  return (struct enetjs_acknowledgement_search){enet_list_begin(&peer->sentReliableCommands), 0};
}

/** Whether an ACKNOWLEDGE tells nothing new: another one for the same sent time has been measured. */
static inline bool enetjs_fast_retransmit_knows(const struct enetjs_fast_retransmit *fast,
                                                const ENetProtocol *command, enet_uint32 now) {
  const enet_uint16 time = ENET_NET_TO_HOST_16(command->acknowledge.receivedSentTime);
  return fast->begun && now - (enet_uint16)(now - time) == fast->newest;
}

/**
 * ENet is about to handle an ACKNOWLEDGE.
 * @returns whether it measures a round trip: its sent time is later than any that was acknowledged before
 */
bool enetjs_fast_retransmit_acknowledged(struct enetjs_fast_retransmit *fast, const ENetPeer *peer,
                                         const ENetProtocol *command,
                                         struct enetjs_acknowledgement_search *search);

/** The peer has another address now: what is under way is lost. The next call of resend has it sent again. */
static inline void enetjs_fast_retransmit_path_lost(struct enetjs_fast_retransmit *fast, enet_uint32 now) {
  fast->path_lost = true;
  fast->path_lost_at = now;
}

/**
 * Has ENet send again what is lost by now, up to `room` bytes. To be called after ENet has handled all that
 * has arrived, and again at `due` where `waits` is set then.
 * @returns how many commands ENet is to send
 */
unsigned enetjs_fast_retransmit_resend(struct enetjs_fast_retransmit *fast, ENetPeer *peer, enet_uint32 now,
                                       size_t room);

#endif
