/*
 * Addresses of the border: what the program connects and sends to, and where its host is. Called by the
 * consumer's thread, because IPv6 addresses are in shared memory.
 */
#include "wire/endpoint.h"

#include "host/internal.h"
#include "host/local.h"
#include "wire/addresses.h"
#include "wire/open.h"
#include "wire/security/security.h"

#define INTERFACE 4 /* the words behind those of the address */
#define PORT 5

static _Atomic uint32_t *words_of(const struct enetjs_host *h) { return &h->header[ENETJS_WORD_ENDPOINT]; }

static struct enetjs_endpoint read_words(const struct enetjs_host *h) {
  _Atomic uint32_t *words = words_of(h);
  struct enetjs_endpoint endpoint;
  endpoint.high = (uint64_t)words[0] << 32 | words[1];
  endpoint.low = (uint64_t)words[2] << 32 | words[3];
  endpoint.scope = words[INTERFACE];
  endpoint.port = 0;
  return endpoint;
}

static void write_words(const struct enetjs_host *h, const struct enetjs_endpoint *endpoint) {
  _Atomic uint32_t *words = words_of(h);
  for (unsigned i = 0; i < ENETJS_ENDPOINT_WORDS; i++) words[i] = enetjs_endpoint_word(endpoint, i);
  words[INTERFACE] = endpoint->scope;
  words[PORT] = endpoint->port;
}

/* No host is in 240.0.0.0/4, and ENet would take the address for a number of the map. */
static bool is_reserved(const struct enetjs_endpoint *endpoint) {
  ENetAddress plain = enetjs_endpoint_plain(endpoint);
  return enetjs_endpoint_is_ipv4(endpoint) && enetjs_address_is_virtual(&plain);
}

double enetjs_host_endpoint(struct enetjs_host *h, double address, double port,
                            struct enetjs_endpoint *endpoint) {
  if (!enetjs_is_integer(port, 1, 65535)) return ENETJS_ERR_ARGUMENT;
  if (address == ENETJS_ENDPOINT)
    *endpoint = read_words(h);
  else if (enetjs_is_integer(address, 0, UINT32_MAX))
    *endpoint = enetjs_endpoint_of_ipv4((uint32_t)address, 0);
  else
    return ENETJS_ERR_ARGUMENT;
  endpoint->port = (uint16_t)port;
  if (is_reserved(endpoint)) return ENETJS_ERR_ARGUMENT;
  return (enetjs_endpoint_is_ipv4(endpoint) ? !h->ipv6_only : h->addresses != NULL)
             ? 0
             : ENETJS_ERR_ADDRESS_FAMILY;
}

struct enetjs_endpoint enetjs_host_real(const struct enetjs_host *h, const ENetAddress *address) {
  struct enetjs_endpoint endpoint = enetjs_addresses_real(h->addresses, address);
  return h->security ? enetjs_security_real(h->security, &endpoint) : endpoint;
}

double enetjs_host_address(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_endpoint address;
  double result = 0;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enetjs_socket_address(h->enet->socket, &address)) {
    if (h->addresses) write_words(h, &address);
    result = enetjs_local_number(&address, h->addresses != NULL);
  }
  enetjs_host_release(h);
  return result;
}

double enetjs_host_reaches(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result;
  if (!h) return ENETJS_ERR_CLOSED;
  result = (h->ipv6_only ? 0 : ENETJS_REACHES_IPV4) + (h->addresses ? ENETJS_REACHES_IPV6 : 0);
  enetjs_host_release(h);
  return result;
}
