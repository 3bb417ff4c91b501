/*
 * Random peer ids: the chains of peers by id, and the draw of a new one.
 *
 * A peer keeps its id until its place is used again, so this file need not learn that ENet has reset a peer.
 * Searches pass over a peer that is not connected. The id of an attempt of this host is not drawn again for a
 * while, so that a late answer to an abandoned attempt does not reach another connection.
 */
#include "wire/peer_ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "wire/security/security.h"

#define IDS ENET_PROTOCOL_MAXIMUM_PEER_ID /* each below it; as a link it means none */
#define RECENT 64
#define DRAWS 256

struct place {
  struct enetjs_endpoint address;
  enet_uint16 id, next; /* IDS: none */
};

struct enetjs_peer_ids {
  ENetHost *enet;
  struct enetjs_addresses *addresses;     /* or NULL */
  const struct enetjs_security *security; /* or NULL */
  enet_uint16 limit;                      /* all ids that are given out are below it */
  enet_uint16 first[IDS];
  enet_uint16 recent[RECENT];
  unsigned recent_at;
  /* of the addresses, for each peer: a census, which any stranger can cause, walks these only */
  uint64_t *networks;
  struct place place[];
};

struct enetjs_peer_ids *enetjs_peer_ids_create(ENetHost *enet, struct enetjs_addresses *addresses) {
  struct enetjs_peer_ids *ids = calloc(1, sizeof(*ids) + enet->peerCount * sizeof(ids->place[0]));
  if (!ids) return NULL;
  ids->networks = calloc(enet->peerCount, sizeof(*ids->networks));
  if (!ids->networks) {
    free(ids);
    return NULL;
  }
  ids->enet = enet;
  ids->addresses = addresses;
  ids->limit = enet->peerCount <= ENETJS_SECURITY_MAXIMUM_PEERS ? ENETJS_SECURITY_MAXIMUM_PEERS : IDS;
  for (size_t i = 0; i < IDS; i++) ids->first[i] = IDS;
  for (size_t i = 0; i < RECENT; i++) ids->recent[i] = IDS;
  for (size_t i = 0; i < enet->peerCount; i++) ids->place[i].id = ids->place[i].next = IDS;
  return ids;
}

void enetjs_peer_ids_destroy(struct enetjs_peer_ids *ids) {
  if (!ids) return;
  free(ids->networks);
  free(ids);
}

void enetjs_peer_ids_set_security(struct enetjs_peer_ids *ids, const struct enetjs_security *security) {
  ids->security = security;
}

static bool same(const ENetAddress *a, const ENetAddress *b) {
  return a->host == b->host && a->port == b->port;
}

ENetPeer *enetjs_peer_ids_find(const struct enetjs_peer_ids *ids, const ENetAddress *from, enet_uint16 id) {
  if (id >= IDS) return NULL;
  for (enet_uint16 at = ids->first[id]; at != IDS; at = ids->place[at].next) {
    ENetPeer *peer = &ids->enet->peers[at];
    if (!enetjs_is_live(peer)) continue;
    if (same(&peer->address, from) ||
        (peer->address.host == ENET_HOST_BROADCAST && !enetjs_address_is_virtual(from)))
      return peer;
  }
  return NULL;
}

enet_uint16 enetjs_peer_ids_of(const struct enetjs_peer_ids *ids, const ENetPeer *peer) {
  return ids->place[peer->incomingPeerID].id;
}

static bool is_broadcast(const struct enetjs_endpoint *address) {
  return enetjs_endpoint_is_ipv4(address) && enetjs_endpoint_ipv4(address) == UINT32_MAX;
}

/* The answer to a broadcast may come from any IPv4 address, so its id is shared with none. */
bool enetjs_peer_ids_usable(const struct enetjs_peer_ids *ids, const struct enetjs_endpoint *address,
                            enet_uint16 id) {
  if (id >= ids->limit) return false;
  for (size_t i = 0; i < RECENT; i++)
    if (ids->recent[i] == id) return false;
  for (enet_uint16 at = ids->first[id]; at != IDS; at = ids->place[at].next) {
    const struct enetjs_endpoint *other = &ids->place[at].address;
    if (is_broadcast(address) || is_broadcast(other) || enetjs_endpoint_same(address, other)) return false;
  }
  return true;
}

uint64_t enetjs_peer_ids_network(const struct enetjs_peer_ids *ids, const struct enetjs_endpoint *address) {
  struct enetjs_endpoint real = enetjs_security_real(ids->security, address);
  return enetjs_endpoint_network(&real);
}

static void unlink_place(struct enetjs_peer_ids *ids, enet_uint16 index) {
  struct place *place = &ids->place[index];
  enet_uint16 *link;
  if (place->id == IDS) return;
  for (link = &ids->first[place->id]; *link != index; link = &ids->place[*link].next) continue;
  *link = place->next;
}

void enetjs_peer_ids_assign(struct enetjs_peer_ids *ids, const ENetPeer *peer,
                            const struct enetjs_endpoint *address, enet_uint16 id) {
  struct place *place = &ids->place[peer->incomingPeerID];
  unlink_place(ids, peer->incomingPeerID);
  place->address = *address;
  ids->networks[peer->incomingPeerID] = enetjs_peer_ids_network(ids, address);
  place->id = id;
  place->next = ids->first[id];
  ids->first[id] = peer->incomingPeerID;
}

void enetjs_peer_ids_moved(struct enetjs_peer_ids *ids, const ENetPeer *peer) {
  const struct place *place = &ids->place[peer->incomingPeerID];
  ids->networks[peer->incomingPeerID] = enetjs_peer_ids_network(ids, &place->address);
}

static enet_uint16 draw(const struct enetjs_peer_ids *ids, const struct enetjs_endpoint *address) {
  enet_uint16 id = 0;
  for (unsigned i = 0; i < DRAWS; i++) {
    enetjs_random(&id, sizeof(id));
    id &= ENET_PROTOCOL_MAXIMUM_PEER_ID;
    if (enetjs_peer_ids_usable(ids, address, id)) return id;
  }
  for (id = 0; id < ids->limit - 1 && !enetjs_peer_ids_usable(ids, address, id); id++) continue;
  return id;
}

void enetjs_peer_ids_of_connecting(struct enetjs_peer_ids *ids, ENetPeer *peer) {
  struct enetjs_endpoint address = enetjs_addresses_real(ids->addresses, &peer->address);
  ENetOutgoingCommand *connect;
  enet_uint16 id;
  if (enet_list_empty(&peer->outgoingCommands)) return;
  connect = (ENetOutgoingCommand *)enet_list_front(&peer->outgoingCommands);
  id = draw(ids, &address);
  ids->recent[ids->recent_at++ % RECENT] = id;
  enetjs_peer_ids_assign(ids, peer, &address, id);
  connect->command.connect.outgoingPeerID = ENET_HOST_TO_NET_16(id);
}

struct enetjs_peer_census enetjs_peer_ids_census(const struct enetjs_peer_ids *ids,
                                                 const struct enetjs_endpoint *address,
                                                 enet_uint32 connect_id) {
  uint64_t network = enetjs_peer_ids_network(ids, address);
  struct enetjs_peer_census census = {0};
  for (size_t i = 0; i < ids->enet->peerCount; i++) {
    const ENetPeer *peer = &ids->enet->peers[i];
    if (ids->networks[i] != network || ids->place[i].id == IDS) continue;
    if (peer->state == ENET_PEER_STATE_DISCONNECTED || peer->state == ENET_PEER_STATE_CONNECTING) continue;
    census.same_host++;
    if (peer->connectID == connect_id && enetjs_endpoint_same(address, &ids->place[i].address))
      census.known = true;
  }
  return census;
}
