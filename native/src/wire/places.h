/**
 * @file places.h
 * @brief Which attempts get the places that are free, and which ones are promised one.
 *
 * A client believes that it is connected when it is answered, and takes a place a round trip later, when its
 * address is proved. Meanwhile others may take the last place. So the answer promises a place, or tells a
 * client of this library that a refusal may still follow (answers.h). A proved attempt without a promise
 * takes no place that is promised. When no other is free, it waits until the promise is kept or lapses.
 *
 * A stranger can have places promised to forged addresses. So a promise lapses with its attempt, and at most
 * half of the free places are promised, or the last one. That one is not promised for a while after a promise
 * has lapsed.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_PLACES_H
#define ENETJS_PLACES_H

#include "wire/attempts.h"
#include "wire/peer_ids.h"

struct enetjs_places {
  const ENetHost *enet;
  const struct enetjs_peer_ids *ids;
  struct enetjs_attempts *attempts;
  bool wary;             /**< a promise has lapsed not long ago */
  enet_uint32 lapsed_at; /**< when that was noticed */
  bool counted;
  size_t free; /**< places, if counted */
};

/** What there is for a proved attempt. */
enum enetjs_place {
  ENETJS_PLACE_NONE,
  ENETJS_PLACE_PROMISED, /**< only what is promised to others */
  ENETJS_PLACE_FREE
};

/** Connections may have ended since the places were counted. */
void enetjs_places_changed(struct enetjs_places *places);

/** Promises an attempt a place, if that can be. */
void enetjs_places_promise(struct enetjs_places *places, struct enetjs_attempt *attempt, enet_uint32 now);

/** @param ahead how many attempts come before this one, beside those that are promised a place */
enum enetjs_place enetjs_places_find(const struct enetjs_places *places, const struct enetjs_attempt *attempt,
                                     size_t ahead);

/**
 * Whether all connections that the address of an attempt may still have are promised to its other attempts.
 * The client will send again what it has sent.
 */
bool enetjs_places_address_is_promised(const struct enetjs_places *places,
                                       const struct enetjs_attempt *attempt);

#endif
