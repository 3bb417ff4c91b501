/*
 * Descriptors beside ENet's socket, as far as the systems agree: pairs, what wakes threads, options. Nothing
 * here has state of its own, so any thread may call.
 */
#include "base/net.h"

#ifndef _WIN32
#include <netinet/tcp.h>
#endif
#ifdef __linux__
#include <errno.h>
#include <sys/eventfd.h>
#endif

#include "enetjs.h"

/* How long a connection over the loopback interface may take. It is made by the system alone. */
#define CONNECT_MS 2000

#ifndef MSG_DONTWAIT
#define MSG_DONTWAIT 0
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

int enetjs_pair(enetjs_fd ends[2]) {
  return enetjs_pair_open(ends) == 0 ? 0 : enetjs_socket_error_code(enetjs_socket_error());
}

bool enetjs_socket_set(enetjs_fd fd, int level, int option, int value) {
  return setsockopt(fd, level, option, (const char *)&value, sizeof(value)) == 0;
}

bool enetjs_socket_get(enetjs_fd fd, int level, int option, int *value) {
  socklen_t length = sizeof(*value);
  *value = 0;
  return getsockopt(fd, level, option, (char *)value, &length) == 0;
}

/* Waits until a connection that is being made has been made. */
static bool is_connected(enetjs_fd fd) {
  enetjs_pollfd writable = {.fd = fd, .events = POLLOUT};
  int error = 0, ready;
  do {
    ready = enetjs_poll(&writable, 1, CONNECT_MS);
  } while (ready < 0 && enetjs_socket_error_interrupted(enetjs_socket_error()));
  return ready == 1 && enetjs_socket_get(fd, SOL_SOCKET, SO_ERROR, &error) && error == 0;
}

/* A wake-up is one byte, which must not wait for others. */
static bool greet(enetjs_fd fd, uint16_t port, const uint8_t *greeting, int bytes) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (enetjs_stream_configure(fd) != 0 || !enetjs_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1)) return false;
  if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 &&
      !enetjs_socket_error_in_progress(enetjs_socket_error()))
    return false;
  return is_connected(fd) && send(fd, (const void *)greeting, bytes, MSG_NOSIGNAL) == bytes;
}

int enetjs_connect_loopback(enetjs_fd *fd, uint16_t port, const uint8_t *greeting, int bytes) {
  *fd = enetjs_tcp_socket();
  if (*fd == ENETJS_FD_NONE) return enetjs_socket_error_code(enetjs_socket_error());
  if (greet(*fd, port, greeting, bytes)) return 0;
  enetjs_fd_close(*fd);
  return ENETJS_ERR_SOCKET;
}

void enetjs_fd_close_forgotten(enetjs_fd fd, struct enetjs_fd_identity identity, enetjs_fd other_end) {
  struct enetjs_fd_identity now;
  /* Nothing is sent from the other end. macOS tells of its end only where something is waited for. */
  enetjs_pollfd other = {.fd = other_end, .events = POLLIN};
  enetjs_poll(&other, 1, 0);
  if (other.revents != 0) return; /* hung up: `fd` is closed, and its number may belong to another file */
  now = enetjs_fd_identify(fd);
  if (identity.inode != 0 && now.inode == identity.inode && now.device == identity.device)
    enetjs_fd_close(fd);
}

void enetjs_poke(enetjs_fd fd) {
  const char byte = 1;
  (void)!send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void enetjs_drain(enetjs_fd fd) {
  char bytes[256];
  while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) == (int)sizeof(bytes)) {
  }
}

#ifdef __linux__

int enetjs_waker_open(struct enetjs_waker *waker) {
  waker->read = waker->write = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return waker->read == ENETJS_FD_NONE ? enetjs_socket_error_code(errno) : 0;
}

void enetjs_waker_signal(const struct enetjs_waker *waker) {
  (void)!eventfd_write(waker->write, 1); /* fails only when so many signals wait that it is readable anyway */
}

void enetjs_waker_clear(const struct enetjs_waker *waker) {
  eventfd_t signals;
  (void)!eventfd_read(waker->read, &signals);
}

void enetjs_waker_close(const struct enetjs_waker *waker) { enetjs_fd_close(waker->read); }

#else

int enetjs_waker_open(struct enetjs_waker *waker) {
  enetjs_fd ends[2];
  int error = enetjs_pair(ends);
  if (error < 0) return error;
  waker->read = ends[0];
  waker->write = ends[1];
  return 0;
}

void enetjs_waker_signal(const struct enetjs_waker *waker) { enetjs_poke(waker->write); }

void enetjs_waker_clear(const struct enetjs_waker *waker) { enetjs_drain(waker->read); }

void enetjs_waker_close(const struct enetjs_waker *waker) {
  enetjs_fd_close(waker->read);
  enetjs_fd_close(waker->write);
}

#endif
