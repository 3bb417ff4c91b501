/**
 * @file unreachable.h
 * @brief Reads ICMP messages about datagrams that a host has sent: why their destination is unreachable.
 *
 * Linux reports these messages on the socket that sent the datagram, if the socket asks for them; other
 * systems do not. Each report makes one later call on the socket fail, and poll() returns until it is read.
 * Anybody can forge these messages, so only a few are read. Call with the host's lock held.
 */
#ifndef ENETJS_UNREACHABLE_H
#define ENETJS_UNREACHABLE_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/endpoint.h"

/** All zero: the socket is not watched. */
struct enetjs_unreachable {
  bool ipv6; /**< the socket is one of IPv6; kept when a watch ends */
  unsigned left; /**< reports that are still read before the watch ends by itself */
};

/** Begins a watch, or allows one that is under way the full number of reports again. */
void enetjs_unreachable_watch(struct enetjs_unreachable *watch, ENetSocket socket);

/** Ends a watch, if there is one. The socket then has neither a report nor an error of one. */
void enetjs_unreachable_end(struct enetjs_unreachable *watch, ENetSocket socket);

/**
 * Reads a report.
 * @param to where the datagram was sent
 * @param code of the ICMP message "destination unreachable"; of ICMPv6, the code of ICMP that says the same
 * @returns false when there is none; then no error of one is pending either
 */
bool enetjs_unreachable_next(struct enetjs_unreachable *watch, ENetSocket socket, struct enetjs_endpoint *to,
                             uint8_t *code);

#endif
