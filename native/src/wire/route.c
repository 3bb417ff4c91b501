/* See route.h. A UDP socket that is connected has the address from which it would send; nothing is sent. */
#if defined(__linux__)

#include "wire/route.h"

#include "base/net.h"
#include "wire/open.h"
#include "wire/sockaddr.h"

static struct enetjs_endpoint unspecified(bool ipv4) {
  struct enetjs_endpoint ipv6 = {0};
  return ipv4 ? enetjs_endpoint_of_ipv4(0, 0) : ipv6;
}

static struct enetjs_endpoint ask(const struct enetjs_endpoint *to) {
  bool ipv4 = enetjs_endpoint_is_ipv4(to);
  struct enetjs_endpoint from = unspecified(ipv4);
  union enetjs_sockaddr name;
  socklen_t length = enetjs_sockaddr_write(&name, to, !ipv4);
  enetjs_fd socket = enetjs_udp_socket(!ipv4);
  if (socket == ENETJS_FD_NONE) return from;
  if (connect(socket, &name.any, length) != 0 || !enetjs_socket_address(socket, &from))
    from = unspecified(ipv4);
  enetjs_fd_close(socket);
  from.port = 0;
  return from;
}

struct enetjs_endpoint enetjs_route_source(struct enetjs_routes *routes, const struct enetjs_endpoint *to) {
  const size_t count = sizeof(routes->entries) / sizeof(routes->entries[0]);
  size_t at = (size_t)((to->high ^ to->low) % count);
  if (!routes->entries[at].known || !enetjs_endpoint_same_host(&routes->entries[at].to, to)) {
    routes->entries[at].to = *to;
    routes->entries[at].from = ask(to);
    routes->entries[at].known = true;
  }
  return routes->entries[at].from;
}

#else

typedef int enetjs_no_route; /* a file of C is not empty */

#endif
