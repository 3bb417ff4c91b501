/*
 * Takes the rules for limits from JavaScript, and disconnects the peers that wire/limits.c has found to
 * exceed theirs. Peers are disconnected after ENet has read, because ENet goes on using the peer whose
 * datagram it handles.
 */
#include <string.h>

#include "base/random.h"
#include "host/internal.h"
#include "wire/limits.h"

static double replace(struct enetjs_host *h, struct enetjs_limit_rules *rules) {
  uint64_t seed;
  if (!enetjs_limit_rules_valid(rules)) return ENETJS_ERR_ARGUMENT;
  if (!h->bound) rules->rule[ENETJS_LIMIT_CONNECTS].per_second = 0; /* it takes none */
  enetjs_random(&seed, sizeof(seed));
  return enetjs_limits_replace(&h->limits, rules, h->enet->peerCount, seed,
                               &h->counters[ENETJS_HOST_STAT_LIMITED_CONNECTS])
             ? 0
             : ENETJS_ERR_MEMORY;
}

double enetjs_host_set_limits(double host, const uint8_t *limits, double bytes, double disconnects) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_limit_rules rules;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (limits && bytes == sizeof(rules.rule) && enetjs_is_integer(disconnects, 0, 1)) {
    memcpy(rules.rule, limits, sizeof(rules.rule));
    rules.disconnects = disconnects == 1;
    result = replace(h, &rules);
  }
  enetjs_host_release(h);
  return result;
}

/* Whether a peer still has the connection that exceeded its limit; another one may have its slot now. */
static bool has(const ENetPeer *peer, uint32_t connect_id) {
  return peer->connectID == connect_id && peer->state != ENET_PEER_STATE_DISCONNECTED &&
         peer->state <= ENET_PEER_STATE_DISCONNECT_LATER;
}

/*
 * At once, with one notice: a peer that does not acknowledge the end would keep its place until it timed out.
 */
void enetjs_limits_enforce(struct enetjs_host *h) {
  size_t index;
  uint32_t connect_id;
  while (enetjs_limits_take_excess(h->limits, &index, &connect_id)) {
    ENetPeer *peer = &h->enet->peers[index];
    struct enetjs_slot *slot = &h->slots[index];
    if (!has(peer, connect_id)) continue;
    if (slot->connected || slot->outgoing) h->counters[ENETJS_HOST_STAT_LIMITED_PEERS]++;
    enet_peer_disconnect_now(peer, ENETJS_CODE_LIMIT);
    enetjs_slot_end(slot, ENETJS_REASON_LIMIT, 0);
  }
}
