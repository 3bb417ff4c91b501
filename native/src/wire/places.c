/*
 * See places.h. Invariant: a proved attempt without a promise takes a place only while more places are free
 * than are promised. So every promise can be kept, unless the host opens connections of its own with its last
 * places.
 *
 * Call with the host's lock held.
 */
#include "wire/places.h"

#include <enet/time.h>

#define WARY_MS 10000

/* @returns how many peers are free, `most` if they are more */
static size_t count_free(const ENetHost *enet, size_t most) {
  size_t count = 0;
  for (size_t i = 0; i < enet->peerCount && count < most; i++)
    count += enet->peers[i].state == ENET_PEER_STATE_DISCONNECTED;
  return count;
}

void enetjs_places_changed(struct enetjs_places *places) { places->counted = false; }

/* A flood of CONNECTs does not have all peers walked for each. */
static size_t free_places(struct enetjs_places *places) {
  if (!places->counted) places->free = count_free(places->enet, places->enet->peerCount);
  places->counted = true;
  return places->free;
}

static bool is_wary(struct enetjs_places *places, enet_uint32 now) {
  if (places->attempts->lapsed) {
    places->attempts->lapsed = false;
    places->wary = true;
    places->lapsed_at = now;
  }
  if (places->wary && ENET_TIME_DIFFERENCE(now, places->lapsed_at) >= WARY_MS) places->wary = false;
  return places->wary;
}

static size_t same_host(const struct enetjs_places *places, const struct enetjs_attempt *attempt) {
  return enetjs_peer_ids_census(places->ids, &attempt->address, attempt->connect.connectID).same_host;
}

/* How many connections of its address are promised to an attempt or to others, and how many there are. */
static size_t of_address(const struct enetjs_places *places, const struct enetjs_attempt *attempt) {
  return same_host(places, attempt) + enetjs_attempts_share(places->attempts, attempt)->promised;
}

static bool address_is_limited(const struct enetjs_places *places) {
  return places->enet->duplicatePeers < places->enet->peerCount;
}

void enetjs_places_promise(struct enetjs_places *places, struct enetjs_attempt *attempt, enet_uint32 now) {
  bool wary = is_wary(places, now);
  size_t half = free_places(places) / 2, most = half == 0 && !wary ? places->free : half;
  if (attempt->promised || places->attempts->promised >= most) return;
  if (enetjs_attempts_count(places->attempts, ENETJS_ATTEMPT_WAITING) > 0 ||
      enetjs_attempts_count(places->attempts, ENETJS_ATTEMPT_ADMITTED) > 0)
    return;
  if (address_is_limited(places) && of_address(places, attempt) >= places->enet->duplicatePeers) return;
  enetjs_attempts_promise(places->attempts, attempt, true);
}

enum enetjs_place enetjs_places_find(const struct enetjs_places *places, const struct enetjs_attempt *attempt,
                                     size_t ahead) {
  size_t others = attempt->promised ? 0 : places->attempts->promised + ahead;
  size_t free = count_free(places->enet, others + 1);
  if (free == 0) return ENETJS_PLACE_NONE;
  return free > others ? ENETJS_PLACE_FREE : ENETJS_PLACE_PROMISED;
}

bool enetjs_places_address_is_promised(const struct enetjs_places *places,
                                       const struct enetjs_attempt *attempt) {
  size_t most = places->enet->duplicatePeers;
  if (attempt->promised || !address_is_limited(places)) return false;
  return same_host(places, attempt) < most && of_address(places, attempt) >= most;
}
