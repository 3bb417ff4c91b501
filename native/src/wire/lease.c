/*
 * See lease.h. A grant is one message: a byte, GRANTED with a descriptor, or TAKEN without.
 *
 * Invariant: a descriptor is close-on-exec from the moment it exists.
 */
#include "wire/lease.h"

#include "enetjs.h"

#if defined(__linux__)

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 2
#define BACKLOG 256
#define GRANTED 1
#define TAKEN 0

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

/* ---- Names and users --------------------------------------------------------------------------- */

/* An abstract name begins with a zero byte, and its length is part of it. */
static socklen_t address_of(const uint32_t *name, struct sockaddr_un *address) {
  int length;
  memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  length = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "enetjs-%08x%08x%08x%08x", name[0],
                    name[1], name[2], name[3]);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static bool is_our_user(int connection) {
  struct ucred other;
  socklen_t length = sizeof(other);
  return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &other, &length) == 0 && other.uid == geteuid();
}

/* ---- The worker -------------------------------------------------------------------------------- */

/* @returns the descriptor, or ENETJS_FD_NONE */
static int descriptor_in(struct msghdr *message) {
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  int socket = ENETJS_FD_NONE;
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(socket)))
    memcpy(&socket, CMSG_DATA(header), sizeof(socket));
  return socket;
}

/* Waits for the grant. @returns 0, or an error code */
static int receive_grant(int connection, int *socket) {
  char byte = TAKEN;
  struct iovec part = {&byte, 1};
  union control control;
  struct msghdr message = {0};
  ssize_t length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof(control);
  do {
    length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  *socket = length > 0 ? descriptor_in(&message) : ENETJS_FD_NONE;
  if (length == 1 && byte == TAKEN) return ENETJS_ERR_SOCKETS_TAKEN;
  if (*socket != ENETJS_FD_NONE) return 0;
  /* a descriptor that found no room is dropped */
  return length == 1 ? ENETJS_ERR_LIMIT : ENETJS_ERR_NO_HOLDER;
}

static int connect_to(int connection, const uint32_t *name) {
  struct timeval patience = {ANSWER_SECONDS, 0};
  struct sockaddr_un address;
  socklen_t length = address_of(name, &address);
  (void)setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  (void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (connect(connection, (struct sockaddr *)&address, length) != 0) return ENETJS_ERR_NO_HOLDER;
  return is_our_user(connection) ? 0 : ENETJS_ERR_PERMISSION;
}

int enetjs_lease_take(const uint32_t name[ENETJS_PORT_NAME_WORDS], struct enetjs_lease *lease) {
  int socket_taken, connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  int error;
  if (connection == ENETJS_FD_NONE) return enetjs_socket_error_code(errno);
  error = connect_to(connection, name);
  if (error == 0) error = receive_grant(connection, &socket_taken);
  if (error < 0) {
    close(connection);
    return error;
  }
  lease->held = true;
  lease->socket = socket_taken;
  lease->connection = connection;
  return 0;
}

void enetjs_lease_end(struct enetjs_lease *lease) {
  if (!lease->held) return;
  lease->held = false;
  if (lease->socket != ENETJS_FD_NONE) close(lease->socket);
  close(lease->connection);
}

/* ---- The holder -------------------------------------------------------------------------------- */

int enetjs_lease_listen(const uint32_t name[ENETJS_PORT_NAME_WORDS], enetjs_fd *listener) {
  struct sockaddr_un address;
  socklen_t length = address_of(name, &address);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd == ENETJS_FD_NONE) return enetjs_socket_error_code(errno);
  if (bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, BACKLOG) == 0) {
    *listener = fd;
    return 0;
  }
  close(fd);
  return ENETJS_ERR_SOCKET;
}

enetjs_fd enetjs_lease_accept(enetjs_fd listener, bool *retry) {
  int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  *retry = connection != ENETJS_FD_NONE || errno == EINTR || errno == ECONNABORTED;
  if (connection == ENETJS_FD_NONE || is_our_user(connection)) return connection;
  close(connection);
  return ENETJS_FD_NONE;
}

bool enetjs_lease_grant(enetjs_fd connection, enetjs_fd socket) {
  char byte = socket == ENETJS_FD_NONE ? TAKEN : GRANTED;
  struct iovec part = {&byte, 1};
  union control control;
  struct msghdr message = {0};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (socket != ENETJS_FD_NONE) {
    memset(&control, 0, sizeof(control));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(socket));
    memcpy(CMSG_DATA(&control.header), &socket, sizeof(socket));
    message.msg_control = &control;
    message.msg_controllen = sizeof(control);
  }
  return sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

#else

int enetjs_lease_take(const uint32_t name[ENETJS_PORT_NAME_WORDS], struct enetjs_lease *lease) {
  (void)name, (void)lease;
  return ENETJS_ERR_REUSE_PORT;
}

void enetjs_lease_end(struct enetjs_lease *lease) { (void)lease; }

int enetjs_lease_listen(const uint32_t name[ENETJS_PORT_NAME_WORDS], enetjs_fd *listener) {
  (void)name, (void)listener;
  return ENETJS_ERR_REUSE_PORT;
}

enetjs_fd enetjs_lease_accept(enetjs_fd listener, bool *retry) {
  (void)listener;
  *retry = false;
  return ENETJS_FD_NONE;
}

bool enetjs_lease_grant(enetjs_fd connection, enetjs_fd socket) {
  (void)connection, (void)socket;
  return false;
}

#endif
