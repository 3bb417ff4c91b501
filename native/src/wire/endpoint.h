/**
 * @file endpoint.h
 * @brief The real address and port of another host, IPv6 or IPv4, below ENet's own 32-bit addresses.
 *
 * An IPv4 address is kept as IPv4-mapped IPv6, ::ffff:a.b.c.d. So an address has one form, however it came.
 */
#ifndef ENETJS_ENDPOINT_H
#define ENETJS_ENDPOINT_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stdint.h>

#define ENETJS_ENDPOINT_WORDS 4 /**< of 32 bits, in an address */
#define ENETJS_MAPPED_PREFIX ((uint64_t)0xFFFF << 32)

struct enetjs_endpoint {
  uint64_t high, low; /**< of the address, in host byte order */
  uint32_t scope;     /**< number of the interface, for link-local addresses; else 0 */
  uint16_t port;
};

/** @param address IPv4 in host byte order */
static inline struct enetjs_endpoint enetjs_endpoint_of_ipv4(uint32_t address, uint16_t port) {
  struct enetjs_endpoint endpoint = {0, ENETJS_MAPPED_PREFIX | address, 0, port};
  return endpoint;
}

static inline struct enetjs_endpoint enetjs_endpoint_of(const ENetAddress *ipv4) {
  return enetjs_endpoint_of_ipv4(ENET_NET_TO_HOST_32(ipv4->host), ipv4->port);
}

static inline bool enetjs_endpoint_is_ipv4(const struct enetjs_endpoint *endpoint) {
  return endpoint->high == 0 && endpoint->low >> 32 == 0xFFFF;
}

/** Of an IPv4 endpoint. @returns the address in host byte order */
static inline uint32_t enetjs_endpoint_ipv4(const struct enetjs_endpoint *endpoint) {
  return (uint32_t)endpoint->low;
}

/**
 * Numbers of encrypted sessions (wire/security/sessions.h), host byte order: from 248.0.0.0 on, which no host
 * has. Above the security stage an endpoint with such an address stands for a session, whatever the session's
 * real address is.
 */
#define ENETJS_FIRST_SESSION 0xF8000000u
#define ENETJS_SESSION_IPV6 0x04000000u /**< a bit: the session began over IPv6 */
#define ENETJS_SESSION_OVERHEAD 29      /**< bytes that a datagram of a session has beside ENet's */

static inline bool enetjs_endpoint_is_session(const struct enetjs_endpoint *endpoint) {
  return enetjs_endpoint_is_ipv4(endpoint) && enetjs_endpoint_ipv4(endpoint) >= ENETJS_FIRST_SESSION &&
         enetjs_endpoint_ipv4(endpoint) != UINT32_MAX;
}

/** An IPv4 endpoint as ENet writes it. */
static inline ENetAddress enetjs_endpoint_plain(const struct enetjs_endpoint *endpoint) {
  ENetAddress address;
  address.host = ENET_HOST_TO_NET_32(enetjs_endpoint_ipv4(endpoint));
  address.port = endpoint->port;
  return address;
}

/** A word of the address, of 32 bits. @param index 0 is the most significant one, 3 the least */
static inline uint32_t enetjs_endpoint_word(const struct enetjs_endpoint *endpoint, unsigned index) {
  return (uint32_t)((index < 2 ? endpoint->high : endpoint->low) >> (index % 2 ? 0 : 32));
}

static inline bool enetjs_endpoint_same_host(const struct enetjs_endpoint *a,
                                             const struct enetjs_endpoint *b) {
  return a->low == b->low && a->high == b->high && a->scope == b->scope;
}

static inline bool enetjs_endpoint_same(const struct enetjs_endpoint *a, const struct enetjs_endpoint *b) {
  return a->port == b->port && enetjs_endpoint_same_host(a, b);
}

/**
 * What counts as one address for limits: an IPv4 address, or the /64 of an IPv6 address, because the
 * owner of one address of a /64 usually has all. The networks of link-local addresses differ by their
 * interface.
 */
static inline uint64_t enetjs_endpoint_network(const struct enetjs_endpoint *endpoint) {
  return enetjs_endpoint_is_ipv4(endpoint) ? endpoint->low : endpoint->high ^ endpoint->scope;
}

#endif
