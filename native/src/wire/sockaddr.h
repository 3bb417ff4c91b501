/**
 * @file sockaddr.h
 * @brief Endpoints as the system's addresses. An IPv6 socket has IPv6 addresses only, and IPv4-mapped ones
 * for IPv4.
 */
#ifndef ENETJS_SOCKADDR_H
#define ENETJS_SOCKADDR_H

#include <string.h>

#include "base/net.h"
#include "wire/endpoint.h"

static inline uint64_t enetjs_big_endian_read(const uint8_t *bytes) {
  uint32_t words[2];
  memcpy(words, bytes, sizeof(words));
  return (uint64_t)ntohl(words[0]) << 32 | ntohl(words[1]);
}

static inline void enetjs_big_endian_write(uint8_t *bytes, uint64_t value) {
  uint32_t words[2] = {htonl((uint32_t)(value >> 32)), htonl((uint32_t)value)};
  memcpy(bytes, words, sizeof(words));
}

static inline struct enetjs_endpoint enetjs_sockaddr_read(const union enetjs_sockaddr *address) {
  struct enetjs_endpoint endpoint;
  if (address->any.sa_family != AF_INET6)
    return enetjs_endpoint_of_ipv4(ntohl(address->v4.sin_addr.s_addr), ntohs(address->v4.sin_port));
  endpoint.high = enetjs_big_endian_read(address->v6.sin6_addr.s6_addr);
  endpoint.low = enetjs_big_endian_read(address->v6.sin6_addr.s6_addr + 8);
  endpoint.scope = address->v6.sin6_scope_id;
  endpoint.port = ntohs(address->v6.sin6_port);
  return endpoint;
}

/** @param ipv6 whether it is for an IPv6 socket @returns its length */
static inline socklen_t enetjs_sockaddr_write(union enetjs_sockaddr *address,
                                              const struct enetjs_endpoint *endpoint, bool ipv6) {
  memset(address, 0, sizeof(*address));
  if (!ipv6) {
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons(endpoint->port);
    address->v4.sin_addr.s_addr = htonl(enetjs_endpoint_ipv4(endpoint));
    return sizeof(address->v4);
  }
  address->v6.sin6_family = AF_INET6;
  address->v6.sin6_port = htons(endpoint->port);
  enetjs_big_endian_write(address->v6.sin6_addr.s6_addr, endpoint->high);
  enetjs_big_endian_write(address->v6.sin6_addr.s6_addr + 8, endpoint->low);
  address->v6.sin6_scope_id = endpoint->scope;
  return sizeof(address->v6);
}

#endif
