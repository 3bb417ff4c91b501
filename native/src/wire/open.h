/**
 * @file open.h
 * @brief Creates ENet's hosts, on sockets that no child process inherits, and that may be of IPv6.
 */
#ifndef ENETJS_OPEN_H
#define ENETJS_OPEN_H

#include <enet/enet.h>
#include <stdbool.h>

#include "base/net.h"
#include "wire/endpoint.h"

/** Whether other sockets may have the same port. */
enum enetjs_sharing {
  ENETJS_SHARING_NONE,
  ENETJS_SHARING_FIRST, /**< fails when a socket has the port; others may join from then on */
  ENETJS_SHARING_JOIN,  /**< also where others have the port that let others join, of the same user */
};

/** Where a socket is. All zero: IPv4, and unbound. */
struct enetjs_local {
  bool bound;
  bool ipv6;      /**< only where datagrams are batched (socket.h), and then there is an address map */
  bool ipv6_only; /**< it reaches no IPv4 address */
  enum enetjs_sharing sharing;
  struct enetjs_endpoint address;
};

/** @returns 0, or ENETJS_ERR_REUSE_PORT where the sockets of a port do not share its senders */
int enetjs_sharing_supported(void);

/** Opens a UDP socket with ENet's options. @returns 0, or an ENETJS_ERR_… code */
int enetjs_socket_open(const struct enetjs_local *local, enetjs_fd *socket);

/** Gives a socket that another host has used the options of a new one. What that host left unread stays. */
void enetjs_socket_renew(enetjs_fd socket, const struct enetjs_local *local);

/**
 * Where a socket is that another one has opened, but for its sharing. @returns false where it can't be told
 */
bool enetjs_socket_local(enetjs_fd socket, struct enetjs_local *local);

/** Gives a socket that has no port yet a free one, as its first datagram would. @returns false on failure */
bool enetjs_socket_take_port(enetjs_fd socket);

/** The address of a socket. @returns false where it can't be read */
bool enetjs_socket_address(enetjs_fd socket, struct enetjs_endpoint *address);

/**
 * As enet_host_create, on a socket of ours, which is closed on failure.
 * @param error receives an ENETJS_ERR_… code on failure
 * @returns NULL on failure
 */
ENetHost *enetjs_enet_open(enetjs_fd socket, size_t peers, size_t channels, enet_uint32 incoming_bandwidth,
                           enet_uint32 outgoing_bandwidth, int *error);

#endif
