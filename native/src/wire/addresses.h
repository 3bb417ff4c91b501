/**
 * @file addresses.h
 * @brief The address map: ENet knows IPv4 addresses only, so a remote IPv6 address has a number that looks
 * like one.
 *
 * Numbers are from 240.0.0.0/4, which no IPv4 host has. ENet, and what decides by ENet's addresses, see the
 * number with the real port; everything below sees the real endpoint. IPv4 addresses are the same on both
 * sides, also where they come over an IPv6 socket.
 *
 * A number is given when this host connects to an address, or when an address has proved itself. Until then a
 * datagram comes from ENETJS_STRANGER, whose real endpoint is that of the last such datagram. So forged
 * addresses take no numbers.
 *
 * A number stays that of its address while a peer has it. The table has room for twice as many addresses as
 * the host has peers. When it is full, the numbers that no peer has are free again. A number that is given
 * anew is another one for thousands of times.
 *
 * Where there is no map, NULL stands in for it, and all addresses are IPv4. Call with the host's lock held.
 */
#ifndef ENETJS_ADDRESSES_H
#define ENETJS_ADDRESSES_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire/endpoint.h"

/** 240.0.0.0, host byte order: an address that has no number yet. */
#define ENETJS_STRANGER 0xF0000000u

struct enetjs_addresses;

/** Whether an address of ENet is ENETJS_STRANGER or a number. */
static inline bool enetjs_address_is_virtual(const ENetAddress *address) {
  return ENET_NET_TO_HOST_32(address->host) >= ENETJS_STRANGER && address->host != ENET_HOST_BROADCAST;
}

/** @returns NULL when there is no memory */
struct enetjs_addresses *enetjs_addresses_create(ENetHost *enet);
void enetjs_addresses_destroy(struct enetjs_addresses *map);

/** The address that ENet is shown for a datagram from an endpoint. */
ENetAddress enetjs_addresses_arrive(struct enetjs_addresses *map, const struct enetjs_endpoint *from);

/** Gives an endpoint a number, unless it has one. @returns the address that ENet knows it by */
ENetAddress enetjs_addresses_give(struct enetjs_addresses *map, const struct enetjs_endpoint *endpoint);

/** The endpoint of a virtual address; all zero for a number that is no one's. */
struct enetjs_endpoint enetjs_addresses_find(const struct enetjs_addresses *map, const ENetAddress *address);

/** As enet_socket_send, to an endpoint that needs no number. */
int enetjs_addresses_send(struct enetjs_addresses *map, const ENetHost *enet,
                          const struct enetjs_endpoint *to, const ENetBuffer *buffer);

/** How many addresses have a number. */
size_t enetjs_addresses_count(const struct enetjs_addresses *map);

/** The endpoint that an address of ENet stands for. */
static inline struct enetjs_endpoint enetjs_addresses_real(const struct enetjs_addresses *map,
                                                           const ENetAddress *address) {
  return map && enetjs_address_is_virtual(address) ? enetjs_addresses_find(map, address)
                                                   : enetjs_endpoint_of(address);
}

#endif
