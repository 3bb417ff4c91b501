/**
 * @file guard_state.h
 * @brief The inside of the guard, for guard.c and proof.c only.
 */
#ifndef ENETJS_GUARD_STATE_H
#define ENETJS_GUARD_STATE_H

#include "wire/guard.h"
#include "wire/handover.h"
#include "wire/places.h"

struct enetjs_guard {
  ENetHost *enet;
  struct enetjs_addresses *addresses; /**< or NULL */
  struct enetjs_peer_ids *ids;
  struct enetjs_attempts attempts;
  struct enetjs_refusals refusals;
  struct enetjs_questions questions;
  struct enetjs_handover handover;
  struct enetjs_places places;
  enet_uint32 full_at; /**< the number of the datagram at which the host was last found full */
  bool resumes;        /**< ENet is about to be shown the oldest ADMITTED attempt */
  bool closes;         /**< no attempt is to succeed any more */
  uint64_t bad;        /**< datagrams to an attempt with another session or sequence number */
};

/** Ends all attempts whose time in their state is up. */
void enetjs_guard_expire(struct enetjs_guard *guard, enet_uint32 now);

/** Ends the wait of WAITING attempts for which there is a place now, or no place at all. */
void enetjs_guard_settle(struct enetjs_guard *guard);

#endif
