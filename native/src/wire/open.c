/*
 * Creates ENet's hosts, on sockets of our own. A child process inherits the socket that ENet creates, and the
 * port stays taken for as long as the child lives. So the socket that is bound is close-on-exec from the
 * start, and takes the place of ENet's, which was never bound. Any thread may call it.
 */
#include "wire/open.h"

#include "base/net.h"
#include "base/random.h"
#include "enetjs.h"

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

static void replace_socket(ENetHost *enet, ENetSocket socket, const ENetAddress *address) {
  configure(socket);
  enet_socket_destroy(enet->socket);
  enet->socket = socket;
  if (address && enet_socket_get_address(socket, &enet->address) < 0) enet->address = *address;
}

ENetHost *enetjs_enet_open(const ENetAddress *address, size_t peers, size_t channels, enet_uint32 incoming_bandwidth,
                           enet_uint32 outgoing_bandwidth, int *error) {
  ENetHost *enet = NULL;
  enetjs_fd socket;
  enetjs_socket_error_clear();
  socket = enetjs_udp_socket();
  if (socket == ENETJS_FD_NONE || (address && enet_socket_bind(socket, address) < 0)) goto failed;
  enetjs_socket_error_clear();
  enet = enet_host_create(NULL, peers, channels, incoming_bandwidth, outgoing_bandwidth);
  if (!enet) goto failed;
  replace_socket(enet, socket, address);
  enetjs_random(&enet->randomSeed, sizeof(enet->randomSeed));
  return enet;
failed:
  *error = code_of_last_error();
  if (socket != ENETJS_FD_NONE) enetjs_fd_close(socket);
  return NULL;
}
