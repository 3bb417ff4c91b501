/*
 * Creates ENet's hosts, on sockets of our own. A child process inherits the socket that ENet creates, and the
 * port stays taken for as long as the child lives. So the socket that is bound is close-on-exec from the
 * start, and takes the place of ENet's, which was never bound. Any thread may call it.
 *
 * Several sockets may have one port (SO_REUSEPORT). Linux then gives each sender's datagrams to one of them,
 * by a hash of the two addresses and ports that is scaled to the number of sockets. Other systems give all of
 * them to one socket.
 */
#include "wire/open.h"

#include <string.h>

#include "base/random.h"
#include "enetjs.h"
#include "wire/sockaddr.h"
#include "wire/unreachable.h"
#if defined(__linux__)
#include <linux/filter.h>
#endif

static int code_of_last_error(void) {
  int error = enetjs_socket_error();
  return error ? enetjs_socket_error_code(error) : ENETJS_ERR_MEMORY;
}

/* As ENet sets up its own. */
static void configure(ENetSocket socket) {
  enet_socket_set_option(socket, ENET_SOCKOPT_NONBLOCK, 1);
  enet_socket_set_option(socket, ENET_SOCKOPT_BROADCAST, 1);
  enet_socket_set_option(socket, ENET_SOCKOPT_RCVBUF, ENET_HOST_RECEIVE_BUFFER_SIZE);
  enet_socket_set_option(socket, ENET_SOCKOPT_SNDBUF, ENET_HOST_SEND_BUFFER_SIZE);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static bool bind_to(ENetSocket socket, const struct enetjs_local *local) {
  union enetjs_sockaddr name;
  socklen_t length = enetjs_sockaddr_write(&name, &local->address, local->ipv6);
  return bind(socket, &name.any, length) == 0;
}

bool enetjs_socket_take_port(enetjs_fd socket) {
  struct enetjs_local local;
  return enetjs_socket_local(socket, &local) && (local.address.port > 0 || bind_to(socket, &local));
}

bool enetjs_socket_address(enetjs_fd socket, struct enetjs_endpoint *address) {
  union enetjs_sockaddr name;
  socklen_t length = sizeof(name);
  if (getsockname(socket, &name.any, &length) != 0) return false;
  *address = enetjs_sockaddr_read(&name);
  return true;
}

/*
 * A client drops answers that come from another address than that which it has sent to, and what it knows is
 * the public one. A socket on every interface would answer from a temporary address (RFC 8981), where the
 * machine has some.
 */
static void prefer_public_address(ENetSocket socket) {
#if defined(__linux__)
  const int preferences = 72 /* IPV6_ADDR_PREFERENCES */, public = 2 /* IPV6_PREFER_SRC_PUBLIC */;
  (void)enetjs_socket_set(socket, IPPROTO_IPV6, preferences, public);
#else
  (void)socket;
#endif
}

#if defined(__linux__)

/*
 * Linux accepts an IPv6 packet whose source stands for an IPv4 address (::ffff:127.0.0.1), and reports that
 * address: a stranger could pass for this machine, or for an address that the filter admits. The system drops
 * such packets before they reach the socket. A sandbox may know no such filters; then they come.
 */
static void refuse_mapped(ENetSocket socket) {
  enum { SOURCE = SKF_NET_OFF + 8 };
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xF0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6 << 4, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SOURCE),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SOURCE + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SOURCE + 8),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xFFFF, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
  };
  struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
  (void)setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

#else

static void refuse_mapped(ENetSocket socket) { (void)socket; }

#endif

static bool set_family(ENetSocket socket, const struct enetjs_local *local) {
  if (!local->ipv6) return true;
  if (!local->ipv6_only) refuse_mapped(socket);
  if (local->bound) prefer_public_address(socket);
  return enetjs_socket_set(socket, IPPROTO_IPV6, IPV6_V6ONLY, local->ipv6_only);
}

bool enetjs_socket_local(enetjs_fd socket, struct enetjs_local *local) {
  union enetjs_sockaddr name;
  socklen_t length = sizeof(name);
  int only = 0;
  memset(local, 0, sizeof(*local));
  if (getsockname(socket, &name.any, &length) != 0) return false;
  local->bound = true;
  local->ipv6 = name.any.sa_family == AF_INET6;
  local->address = enetjs_sockaddr_read(&name);
  if (local->ipv6 && !enetjs_socket_get(socket, IPPROTO_IPV6, IPV6_V6ONLY, &only)) return false;
  local->ipv6_only = only != 0;
  return true;
}

/* ---- Sockets --------------------------------------------------------------------------------- */

#if defined(__linux__)

static bool let_others_bind(ENetSocket socket) {
  return enetjs_socket_set(socket, SOL_SOCKET, SO_REUSEPORT, 1);
}

int enetjs_sharing_supported(void) { return 0; }

#else

static bool let_others_bind(ENetSocket socket) {
  (void)socket;
  return false;
}

int enetjs_sharing_supported(void) { return ENETJS_ERR_REUSE_PORT; }

#endif

/*
 * Set before bind, the option asks for the sockets that have the port already; set afterwards, it lets others
 * come.
 */
static bool bind_shared(ENetSocket socket, const struct enetjs_local *local) {
  if (local->sharing == ENETJS_SHARING_JOIN && !let_others_bind(socket)) return false;
  if (!bind_to(socket, local)) return false;
  return local->sharing != ENETJS_SHARING_FIRST || let_others_bind(socket);
}

/* Windows refuses to read from a socket that has no port yet; other systems give it one when it sends. */
static bool leave_unbound(ENetSocket socket, const struct enetjs_local *local) {
#if defined(_WIN32)
  return bind_to(socket, local);
#else
  (void)socket, (void)local;
  return true;
#endif
}

int enetjs_socket_open(const struct enetjs_local *local, enetjs_fd *socket) {
  int error = local->sharing == ENETJS_SHARING_NONE ? 0 : enetjs_sharing_supported();
  if (error < 0) return error;
  enetjs_socket_error_clear();
  *socket = enetjs_udp_socket(local->ipv6);
  if (*socket == ENETJS_FD_NONE) return code_of_last_error();
  if (set_family(*socket, local) &&
      (local->bound ? bind_shared(*socket, local) : leave_unbound(*socket, local))) {
    configure(*socket);
    return 0;
  }
  error = code_of_last_error();
  enetjs_fd_close(*socket);
  return error;
}

void enetjs_socket_renew(enetjs_fd socket, const struct enetjs_local *local) {
  struct enetjs_unreachable watch = {local->ipv6, 1};
  configure(socket);
  enetjs_unreachable_end(&watch, socket);
}

/* ---- Hosts ----------------------------------------------------------------------------------- */

/* ENet itself reads its address nowhere. */
static void replace_socket(ENetHost *enet, enetjs_fd socket) {
  struct enetjs_endpoint address;
  enet_socket_destroy(enet->socket);
  enet->socket = socket;
  if (enetjs_socket_address(socket, &address)) enet->address = enetjs_endpoint_plain(&address);
}

ENetHost *enetjs_enet_open(enetjs_fd socket, size_t peers, size_t channels, enet_uint32 incoming_bandwidth,
                           enet_uint32 outgoing_bandwidth, int *error) {
  ENetHost *enet;
  enetjs_socket_error_clear();
  enet = enet_host_create(NULL, peers, channels, incoming_bandwidth, outgoing_bandwidth);
  if (!enet) {
    *error = code_of_last_error();
    enetjs_fd_close(socket);
    return NULL;
  }
  replace_socket(enet, socket);
  enetjs_random(&enet->randomSeed, sizeof(enet->randomSeed));
  return enet;
}
