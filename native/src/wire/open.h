/**
 * @file open.h
 * @brief Creates ENet's hosts, on sockets that no child process inherits.
 */
#ifndef ENETJS_OPEN_H
#define ENETJS_OPEN_H

#include <enet/enet.h>

/**
 * As enet_host_create.
 * @param error receives an ENETJS_ERR_… code on failure
 * @returns NULL on failure
 */
ENetHost *enetjs_enet_open(const ENetAddress *address, size_t peers, size_t channels, enet_uint32 incoming_bandwidth,
                           enet_uint32 outgoing_bandwidth, int *error);

#endif
