/**
 * @file peer_ids.h
 * @brief Which peer the id in a datagram's header means.
 *
 * ENet's own id of a peer is its index, so a stranger can guess it, and what was sent to one connection
 * reaches the next one in the same place. The ids that a host gives out here are random and differ for each
 * connection of an address and port; incoming headers are rewritten before ENet reads them. Ids from
 * ENETJS_SECURITY_MAXIMUM_PEERS on mark the datagrams of sessions (wire/security), so they are given out only
 * where there are more peers than that. Call with the host's lock held.
 */
#ifndef ENETJS_PEER_IDS_H
#define ENETJS_PEER_IDS_H

#include <enet/enet.h>
#include <stdbool.h>

#include "enetjs_layout.h"
#include "wire/addresses.h"

/** Whether a place is taken by a connection, in whatever state. */
static inline bool enetjs_is_live(const ENetPeer *peer) {
  return peer->state != ENET_PEER_STATE_DISCONNECTED && peer->state != ENET_PEER_STATE_ZOMBIE;
}

struct enetjs_peer_ids;
struct enetjs_security;

/** @param addresses or NULL @returns NULL when there is no memory */
struct enetjs_peer_ids *enetjs_peer_ids_create(ENetHost *enet, struct enetjs_addresses *addresses);
void enetjs_peer_ids_destroy(struct enetjs_peer_ids *ids);

/** From now on connections of sessions count by their real addresses. */
void enetjs_peer_ids_set_security(struct enetjs_peer_ids *ids, const struct enetjs_security *security);

/** @returns the peer that a datagram with this id from this address is for, or NULL */
ENetPeer *enetjs_peer_ids_find(const struct enetjs_peer_ids *ids, const ENetAddress *from, enet_uint16 id);

/** @returns the id that means this peer */
enet_uint16 enetjs_peer_ids_of(const struct enetjs_peer_ids *ids, const ENetPeer *peer);

/** Whether no other connection with this address has the id, or had it of late. */
bool enetjs_peer_ids_usable(const struct enetjs_peer_ids *ids, const struct enetjs_endpoint *address,
                            enet_uint16 id);

/** From now on the id means this peer, which is about to have the address. */
void enetjs_peer_ids_assign(struct enetjs_peer_ids *ids, const ENetPeer *peer,
                            const struct enetjs_endpoint *address, enet_uint16 id);

/** Draws an id for a connection that enet_host_connect() has just begun, and puts it into its CONNECT. */
void enetjs_peer_ids_of_connecting(struct enetjs_peer_ids *ids, ENetPeer *peer);

/** The session of a peer has another real address now. */
void enetjs_peer_ids_moved(struct enetjs_peer_ids *ids, const ENetPeer *peer);

/** @returns the network of an address, which for a session is that of its real address */
uint64_t enetjs_peer_ids_network(const struct enetjs_peer_ids *ids, const struct enetjs_endpoint *address);

/** What a CONNECT from an address would meet. */
struct enetjs_peer_census {
  size_t same_host; /**< connections from its network (endpoint.h), which count against duplicatePeers */
  bool known;       /**< one of them is this very connection */
};
struct enetjs_peer_census enetjs_peer_ids_census(const struct enetjs_peer_ids *ids,
                                                 const struct enetjs_endpoint *address,
                                                 enet_uint32 connect_id);

#endif
