/*
 * Random peer ids: the chains of peers by id, and the draw of a new one.
 *
 * A peer keeps its id until its place is used again, so this file need not learn that ENet has reset a peer. Searches
 * pass over a peer that is not connected. The id of an attempt of this host is not drawn again for a while, so that a
 * late answer to an abandoned attempt does not reach another connection.
 */
#include "wire/peer_ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#define IDS ENET_PROTOCOL_MAXIMUM_PEER_ID /* each below it; as a link it means none */
#define RECENT 64
#define DRAWS 256

struct place {
  enet_uint32 host; /* a copy, so that a census does not walk ENet's large peers */
  enet_uint16 port;
  enet_uint16 id, next; /* IDS: none */
};

struct enetjs_peer_ids {
  ENetHost *enet;
  enet_uint16 first[IDS];
  enet_uint16 recent[RECENT];
  unsigned recent_at;
  struct place place[];
};

struct enetjs_peer_ids *enetjs_peer_ids_create(ENetHost *enet) {
  struct enetjs_peer_ids *ids = calloc(1, sizeof(*ids) + enet->peerCount * sizeof(ids->place[0]));
  if (!ids) return NULL;
  ids->enet = enet;
  for (size_t i = 0; i < IDS; i++) ids->first[i] = IDS;
  for (size_t i = 0; i < RECENT; i++) ids->recent[i] = IDS;
  for (size_t i = 0; i < enet->peerCount; i++) ids->place[i].id = ids->place[i].next = IDS;
  return ids;
}

void enetjs_peer_ids_destroy(struct enetjs_peer_ids *ids) { free(ids); }

static bool same(const ENetAddress *a, const ENetAddress *b) { return a->host == b->host && a->port == b->port; }

ENetPeer *enetjs_peer_ids_find(const struct enetjs_peer_ids *ids, const ENetAddress *from, enet_uint16 id) {
  if (id >= IDS) return NULL;
  for (enet_uint16 at = ids->first[id]; at != IDS; at = ids->place[at].next) {
    ENetPeer *peer = &ids->enet->peers[at];
    if (enetjs_is_live(peer) && (same(&peer->address, from) || peer->address.host == ENET_HOST_BROADCAST)) return peer;
  }
  return NULL;
}

enet_uint16 enetjs_peer_ids_of(const struct enetjs_peer_ids *ids, const ENetPeer *peer) {
  return ids->place[peer->incomingPeerID].id;
}

/* The answer to a broadcast may come from any address, so no other peer may have its id. */
bool enetjs_peer_ids_usable(const struct enetjs_peer_ids *ids, const ENetAddress *address, enet_uint16 id) {
  if (id >= IDS) return false;
  for (size_t i = 0; i < RECENT; i++)
    if (ids->recent[i] == id) return false;
  for (enet_uint16 at = ids->first[id]; at != IDS; at = ids->place[at].next) {
    const struct place *place = &ids->place[at];
    if (address->host == ENET_HOST_BROADCAST || place->host == ENET_HOST_BROADCAST ||
        (place->host == address->host && place->port == address->port))
      return false;
  }
  return true;
}

static void unlink_place(struct enetjs_peer_ids *ids, enet_uint16 index) {
  struct place *place = &ids->place[index];
  enet_uint16 *link;
  if (place->id == IDS) return;
  for (link = &ids->first[place->id]; *link != index; link = &ids->place[*link].next) continue;
  *link = place->next;
}

void enetjs_peer_ids_assign(struct enetjs_peer_ids *ids, const ENetPeer *peer, const ENetAddress *address,
                            enet_uint16 id) {
  struct place *place = &ids->place[peer->incomingPeerID];
  unlink_place(ids, peer->incomingPeerID);
  place->host = address->host;
  place->port = address->port;
  place->id = id;
  place->next = ids->first[id];
  ids->first[id] = peer->incomingPeerID;
}

static enet_uint16 draw(const struct enetjs_peer_ids *ids, const ENetAddress *address) {
  enet_uint16 id = 0;
  for (unsigned i = 0; i < DRAWS; i++) {
    enetjs_random(&id, sizeof(id));
    id &= ENET_PROTOCOL_MAXIMUM_PEER_ID;
    if (enetjs_peer_ids_usable(ids, address, id)) return id;
  }
  for (id = 0; id < IDS - 1 && !enetjs_peer_ids_usable(ids, address, id); id++) continue;
  return id;
}

void enetjs_peer_ids_of_connecting(struct enetjs_peer_ids *ids, ENetPeer *peer) {
  ENetOutgoingCommand *connect;
  enet_uint16 id;
  if (enet_list_empty(&peer->outgoingCommands)) return;
  connect = (ENetOutgoingCommand *)enet_list_front(&peer->outgoingCommands);
  id = draw(ids, &peer->address);
  ids->recent[ids->recent_at++ % RECENT] = id;
  enetjs_peer_ids_assign(ids, peer, &peer->address, id);
  connect->command.connect.outgoingPeerID = ENET_HOST_TO_NET_16(id);
}

struct enetjs_peer_census enetjs_peer_ids_census(const struct enetjs_peer_ids *ids, const ENetAddress *address,
                                                 enet_uint32 connect_id) {
  struct enetjs_peer_census census = {0};
  for (size_t i = 0; i < ids->enet->peerCount; i++) {
    const ENetPeer *peer = &ids->enet->peers[i];
    if (ids->place[i].host != address->host || ids->place[i].id == IDS) continue;
    if (peer->state == ENET_PEER_STATE_DISCONNECTED || peer->state == ENET_PEER_STATE_CONNECTING) continue;
    census.same_host++;
    if (ids->place[i].port == address->port && peer->connectID == connect_id) census.known = true;
  }
  return census;
}
