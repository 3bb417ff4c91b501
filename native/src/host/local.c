/* See local.h. Any thread may call it. */
#include "host/local.h"

#include <stdint.h>

#include "base/number.h"
#include "enetjs.h"
#include "wire/socket.h"

bool enetjs_local_valid(const double *c) {
  for (int i = ENETJS_CONFIG_IPV6_ADDRESS; i <= ENETJS_CONFIG_IPV6_INTERFACE; i++)
    if (!enetjs_is_integer(c[i], 0, UINT32_MAX)) return false;
  return enetjs_is_integer(c[ENETJS_CONFIG_ADDRESS], -1, UINT32_MAX) &&
         enetjs_is_integer(c[ENETJS_CONFIG_PORT], 0, 65535) &&
         enetjs_is_integer(c[ENETJS_CONFIG_IPV6], ENETJS_IPV6_NONE, ENETJS_IPV6_AUTO);
}

static struct enetjs_local local_of(const double *c, bool ipv6, enum enetjs_sharing sharing) {
  const double *words = &c[ENETJS_CONFIG_IPV6_ADDRESS];
  struct enetjs_local local = {0};
  local.bound = c[ENETJS_CONFIG_ADDRESS] >= 0;
  local.ipv6 = ipv6;
  local.ipv6_only = ipv6 && c[ENETJS_CONFIG_IPV6] == ENETJS_IPV6_ONLY;
  local.sharing = sharing;
  if (ipv6) {
    local.address.high = (uint64_t)words[0] << 32 | (uint32_t)words[1];
    local.address.low = (uint64_t)words[2] << 32 | (uint32_t)words[3];
    local.address.scope = (uint32_t)c[ENETJS_CONFIG_IPV6_INTERFACE];
  } else if (local.bound) {
    local.address = enetjs_endpoint_of_ipv4((uint32_t)c[ENETJS_CONFIG_ADDRESS], 0);
  }
  local.address.port = (uint16_t)c[ENETJS_CONFIG_PORT];
  return local;
}

int enetjs_local_open(const double *c, enum enetjs_sharing sharing, struct enetjs_local *local,
                      enetjs_fd *socket) {
  bool automatic = c[ENETJS_CONFIG_IPV6] == ENETJS_IPV6_AUTO;
  bool ipv6 = c[ENETJS_CONFIG_IPV6] != ENETJS_IPV6_NONE;
  int error = ENETJS_ERR_ADDRESS_FAMILY;
  *local = local_of(c, ipv6, sharing);
  if (!ipv6 || enetjs_batch_arrives() > 0) error = enetjs_socket_open(local, socket);
  if (!automatic || (error != ENETJS_ERR_ADDRESS_FAMILY && error != ENETJS_ERR_ADDRESS_UNAVAILABLE))
    return error;
  *local = local_of(c, false, sharing);
  return enetjs_socket_open(local, socket);
}

double enetjs_local_number(const struct enetjs_endpoint *address, bool ipv6) {
  return address->port + (ipv6 ? (double)ENETJS_ADDRESS_IPV6 : enetjs_endpoint_ipv4(address) * 65536.0);
}
