/**
 * @file mtu.h
 * @brief The largest datagram to a peer over IPv6, which a router on the way does not fragment, or in a
 * session.
 */
#ifndef ENETJS_MTU_H
#define ENETJS_MTU_H

#include <enet/enet.h>

#include "enetjs.h"
#include "wire/endpoint.h"

/** A session's datagrams are longer than ENet's; together they have the MTU that was set. */
static inline enet_uint32 enetjs_mtu_of_session(const ENetHost *enet, uint32_t number) {
  bool ipv6 = (number & ENETJS_SESSION_IPV6) != 0;
  enet_uint32 mtu = ipv6 && enet->mtu == ENETJS_DEFAULT_MTU ? ENETJS_IPV6_MTU : enet->mtu;
  enet_uint32 most = mtu - ENETJS_SESSION_OVERHEAD;
  return most < ENET_PROTOCOL_MINIMUM_MTU ? ENET_PROTOCOL_MINIMUM_MTU : most;
}

/**
 * @returns the largest MTU of a connection, at the host's default no more than every IPv6 network lets pass
 */
static inline enet_uint32 enetjs_mtu_of(const ENetHost *enet, const struct enetjs_endpoint *peer) {
  if (enetjs_endpoint_is_session(peer)) return enetjs_mtu_of_session(enet, enetjs_endpoint_ipv4(peer));
  if (enetjs_endpoint_is_ipv4(peer)) return ENET_PROTOCOL_MAXIMUM_MTU;
  return enet->mtu == ENETJS_DEFAULT_MTU ? ENETJS_IPV6_MTU : enet->mtu;
}

/** The MTU of a CONNECT, lowered to that. Both are in network byte order. */
static inline enet_uint32 enetjs_mtu_limit(const ENetHost *enet, const struct enetjs_endpoint *peer,
                                           enet_uint32 mtu) {
  enet_uint32 most = enetjs_mtu_of(enet, peer);
  return ENET_NET_TO_HOST_32(mtu) > most ? ENET_HOST_TO_NET_32(most) : mtu;
}

#endif
