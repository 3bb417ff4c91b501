/**
 * @file open.h
 * @brief Creates ENet's hosts, on sockets that no child process inherits, and that may be of IPv6.
 */
#ifndef ENETJS_OPEN_H
#define ENETJS_OPEN_H

#include <enet/enet.h>
#include <stdbool.h>

#include "wire/endpoint.h"

/** Where a socket is. All zero: IPv4, and unbound. */
struct enetjs_local {
  bool bound;
  bool ipv6;      /**< only where datagrams are batched (socket.h), and then there is an address map */
  bool ipv6_only; /**< it reaches no IPv4 address */
  struct enetjs_endpoint address;
};

/**
 * As enet_host_create.
 * @param error receives an ENETJS_ERR_… code on failure
 * @returns NULL on failure
 */
ENetHost *enetjs_enet_open(const struct enetjs_local *local, size_t peers, size_t channels,
                           enet_uint32 incoming_bandwidth, enet_uint32 outgoing_bandwidth, int *error);

/** The address of a socket. @returns false where it can't be read */
bool enetjs_enet_address(const ENetHost *enet, struct enetjs_endpoint *address);

#endif
