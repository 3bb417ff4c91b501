/**
 * @file local.h
 * @brief The socket that a configuration asks for.
 */
#ifndef ENETJS_LOCAL_H
#define ENETJS_LOCAL_H

#include "wire/open.h"

/**
 * Whether the part of a configuration is valid that tells where a socket is: ADDRESS, PORT, and all of IPV6.
 */
bool enetjs_local_valid(const double *config);

/**
 * Opens that socket, for IPv4 where the configuration leaves the family open and there is no IPv6.
 * @param local receives where it is, with a port of 0 as it was asked for
 * @returns 0, or an ENETJS_ERR_… code
 */
int enetjs_local_open(const double *config, enum enetjs_sharing sharing, struct enetjs_local *local,
                      enetjs_fd *socket);

/** An address as one number of the border: IPv4 * 65536 + port, or with IPv6 ENETJS_ADDRESS_IPV6 + port. */
double enetjs_local_number(const struct enetjs_endpoint *address, bool ipv6);

#endif
