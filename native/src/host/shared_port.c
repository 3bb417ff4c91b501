/*
 * Shared ports: several sockets on one port, which outlive the workers that use them. The kernel chooses the socket of
 * a client by a hash that is scaled to the number of sockets. So these are all opened at once, and stay until the port
 * is closed: a worker that comes or goes moves nobody's clients.
 *
 * Each port has a thread. It hands a free socket to each worker that asks (wire/lease.h), and notices when a worker has
 * ended. It sleeps in poll(), and waits for nothing else.
 *
 * The exported functions take the lock of the table, and any thread may call them. They wait for nothing but the end
 * of the thread in `enetjs_port_close`, which comes at once. A port is closed when the thread that opened it exits.
 */
#include <string.h>

#include "base/exit.h"
#include "base/number.h"
#include "base/random.h"
#include "base/threads.h"
#include "enetjs.h"
#include "host/internal.h"
#include "host/local.h"
#include "wire/lease.h"
#include "wire/socket.h"

#define PORT_LIMIT 64
#define OTHERS 2        /* of the thread's descriptors: the waker and the listener */
#define RECOVERY_MS 100 /* after descriptors have run out */

struct shared_port {
  uint64_t generation;
  bool open, closing;
  unsigned count;
  enetjs_fd sockets[ENETJS_MAXIMUM_WORKERS];
  enetjs_fd leases[ENETJS_MAXIMUM_WORKERS]; /* the connection of a socket's worker, or ENETJS_FD_NONE */
  enetjs_fd listener;
  struct enetjs_waker waker;
  enetjs_thread thread;
  const void *owner;
};

static struct shared_port ports[PORT_LIMIT];
static enetjs_mutex lock = ENETJS_MUTEX_INIT;
static enetjs_once registered = ENETJS_ONCE_INIT;

static double handle_of(const struct shared_port *p) {
  return (double)p->generation * PORT_LIMIT + (double)(p - ports);
}

/* With the lock held. @returns NULL when the handle is stale */
static struct shared_port *by_handle(double handle) {
  struct shared_port *p;
  uint64_t number;
  if (!enetjs_is_integer(handle, 0, 9007199254740991.0)) return NULL;
  number = (uint64_t)handle;
  p = &ports[number % PORT_LIMIT];
  return p->open && !p->closing && p->generation == number / PORT_LIMIT ? p : NULL;
}

/* ---- Leases ------------------------------------------------------------------------------------ */

/* With the lock held: frees the sockets whose workers have ended. A worker says nothing on its connection. */
static void free_ended(struct shared_port *p) {
  for (unsigned i = 0; i < p->count; i++) {
    enetjs_pollfd fd = {0};
    if (p->leases[i] == ENETJS_FD_NONE) continue;
    fd.fd = p->leases[i];
    fd.events = POLLIN;
    if (enetjs_poll(&fd, 1, 0) <= 0) continue;
    enetjs_fd_close(p->leases[i]);
    p->leases[i] = ENETJS_FD_NONE;
  }
}

/* With the lock held. */
static void grant(struct shared_port *p, enetjs_fd connection) {
  unsigned i = 0;
  while (i < p->count && p->leases[i] != ENETJS_FD_NONE) i++;
  if (enetjs_lease_grant(connection, i < p->count ? p->sockets[i] : ENETJS_FD_NONE) && i < p->count)
    p->leases[i] = connection;
  else
    enetjs_fd_close(connection);
}

/*
 * Serves the worker that has come first, if one has. Any user may connect, as often as it likes: such a connection
 * takes no lock, and between two of them the thread sees whether the port is closed.
 * @returns false when descriptors have run out
 */
static bool serve(struct shared_port *p) {
  bool retry;
  enetjs_fd connection = enetjs_lease_accept(p->listener, &retry);
  if (connection == ENETJS_FD_NONE)
    return retry || enetjs_socket_error_code(enetjs_socket_error()) != ENETJS_ERR_LIMIT;
  enetjs_mutex_lock(&lock);
  free_ended(p);
  grant(p, connection);
  enetjs_mutex_unlock(&lock);
  return true;
}

/* What poll() shall look at. @returns the number of descriptors, or 0 when the port is closed */
static unsigned plan(const struct shared_port *p, bool listens, enetjs_pollfd *fds) {
  unsigned count = OTHERS;
  memset(fds, 0, (OTHERS + ENETJS_MAXIMUM_WORKERS) * sizeof(*fds));
  enetjs_mutex_lock(&lock);
  fds[0].fd = p->waker.read;
  fds[0].events = POLLIN;
  fds[1].fd = p->listener;
  fds[1].events = listens ? POLLIN : 0;
  for (unsigned i = 0; i < p->count; i++) {
    if (p->leases[i] == ENETJS_FD_NONE) continue;
    fds[count].fd = p->leases[i];
    fds[count++].events = POLLIN;
  }
  if (p->closing) count = 0;
  enetjs_mutex_unlock(&lock);
  return count;
}

static bool any_ready(const enetjs_pollfd *fds, unsigned count) {
  unsigned i = 0;
  while (i < count && fds[i].revents == 0) i++;
  return i < count;
}

static void serve_until_closed(void *argument) {
  struct shared_port *p = argument;
  enetjs_pollfd fds[OTHERS + ENETJS_MAXIMUM_WORKERS];
  bool listens = true;
  for (unsigned count; (count = plan(p, listens, fds)) > 0;) {
    enetjs_poll(fds, count, listens ? -1 : RECOVERY_MS);
    if (fds[0].revents) enetjs_waker_clear(&p->waker);
    if (any_ready(fds + OTHERS, count - OTHERS)) {
      enetjs_mutex_lock(&lock);
      free_ended(p);
      enetjs_mutex_unlock(&lock);
    }
    listens = serve(p);
  }
}

/* ---- Life -------------------------------------------------------------------------------------- */

/* With the lock held. Workers keep their sockets. */
static void release(struct shared_port *p) {
  enetjs_fd_close(p->listener);
  enetjs_waker_close(&p->waker);
  for (unsigned i = 0; i < p->count; i++) {
    enetjs_fd_close(p->sockets[i]);
    if (p->leases[i] != ENETJS_FD_NONE) enetjs_fd_close(p->leases[i]);
  }
  p->count = 0;
  p->generation++;
  p->open = false;
}

/* The first socket finds a port that nobody has, the others join it. @returns 0, or an error code */
static int open_sockets(struct shared_port *p, const double *config, unsigned count) {
  struct enetjs_local local;
  struct enetjs_endpoint address;
  int error = enetjs_local_open(config, ENETJS_SHARING_FIRST, &local, &p->sockets[0]);
  if (error < 0) return error;
  p->count = 1;
  if (!enetjs_socket_address(p->sockets[0], &address)) return ENETJS_ERR_SOCKET;
  local.address.port = address.port;
  local.sharing = ENETJS_SHARING_JOIN;
  while (error == 0 && p->count < count) {
    error = enetjs_socket_open(&local, &p->sockets[p->count]);
    if (error == 0) p->count++;
  }
  return error;
}

static void close_of_thread(const void *owner);

/* At the exit of the process a thread in poll() does no harm. */
static void leave(void) {}

static void register_exit(void) {
  static struct enetjs_exit_hook exit_hook = {close_of_thread, leave, NULL};
  enetjs_exit_register(&exit_hook);
}

/* With the lock held. @returns 0, or an error code, and then nothing is left */
static int start(struct shared_port *p, const double *config, unsigned count, const uint32_t *name) {
  int error;
  for (unsigned i = 0; i < count; i++) p->leases[i] = ENETJS_FD_NONE;
  p->closing = false;
  error = enetjs_lease_listen(name, &p->listener);
  if (error < 0) return error;
  error = enetjs_waker_open(&p->waker);
  if (error < 0) {
    enetjs_fd_close(p->listener);
    return error;
  }
  error = open_sockets(p, config, count);
  if (error == 0 && !enetjs_thread_start(&p->thread, serve_until_closed, p)) error = ENETJS_ERR_THREAD;
  if (error < 0)
    release(p);
  else
    p->open = true;
  p->owner = enetjs_this_thread();
  return error;
}

static void tell(const struct shared_port *p, const uint32_t *name, double *out) {
  struct enetjs_local local = {0};
  (void)enetjs_socket_local(p->sockets[0], &local);
  for (unsigned i = 0; i < ENETJS_PORT_NAME_WORDS; i++) out[ENETJS_PORT_NAME + i] = name[i];
  for (unsigned i = 0; i < ENETJS_ENDPOINT_WORDS; i++)
    out[ENETJS_PORT_WORDS + i] = enetjs_endpoint_word(&local.address, i);
  out[ENETJS_PORT_WORDS + ENETJS_ENDPOINT_WORDS] = local.address.scope;
  out[ENETJS_PORT_ADDRESS] = enetjs_local_number(&local.address, local.ipv6);
}

double enetjs_port_open(const uint8_t *config, double configBytes, double sockets, uint8_t *out, double outBytes) {
  double c[ENETJS_CONFIG_COUNT], told[ENETJS_PORT_COUNT], result;
  uint32_t name[ENETJS_PORT_NAME_WORDS];
  struct shared_port *p = ports;
  if (!config || !out || configBytes != sizeof(c) || outBytes != sizeof(told) ||
      !enetjs_is_integer(sockets, 1, ENETJS_MAXIMUM_WORKERS))
    return ENETJS_ERR_ARGUMENT;
  memcpy(c, config, sizeof(c));
  if (!enetjs_local_valid(c) || c[ENETJS_CONFIG_ADDRESS] < 0) return ENETJS_ERR_ARGUMENT;
  result = enetjs_sharing_supported();
  if (result == 0) result = enetjs_host_initialize();
  if (result < 0) return result;
  enetjs_random(name, sizeof(name));
  enetjs_once_run(&registered, register_exit);
  enetjs_mutex_lock(&lock);
  while (p < ports + PORT_LIMIT && p->open) p++;
  result = p < ports + PORT_LIMIT ? start(p, c, (unsigned)sockets, name) : ENETJS_ERR_LIMIT;
  if (result == 0) {
    tell(p, name, told);
    memcpy(out, told, sizeof(told));
    result = handle_of(p);
  }
  enetjs_mutex_unlock(&lock);
  return result;
}

double enetjs_port_workers(double port) {
  double workers = 0;
  enetjs_mutex_lock(&lock);
  struct shared_port *p = by_handle(port);
  if (p) free_ended(p);
  for (unsigned i = 0; p && i < p->count; i++) workers += p->leases[i] != ENETJS_FD_NONE;
  enetjs_mutex_unlock(&lock);
  return p ? workers : ENETJS_ERR_CLOSED;
}

/* With the lock held, which is given up while the thread ends. */
static void end(struct shared_port *p) {
  enetjs_thread thread = p->thread;
  p->closing = true;
  enetjs_waker_signal(&p->waker);
  enetjs_mutex_unlock(&lock);
  enetjs_thread_join(thread);
  enetjs_mutex_lock(&lock);
  release(p);
}

double enetjs_port_close(double port) {
  enetjs_mutex_lock(&lock);
  struct shared_port *p = by_handle(port);
  if (p) end(p);
  enetjs_mutex_unlock(&lock);
  return p ? 0 : ENETJS_ERR_CLOSED;
}

static void close_of_thread(const void *owner) {
  enetjs_mutex_lock(&lock);
  for (struct shared_port *p = ports; p < ports + PORT_LIMIT; p++)
    if (p->open && !p->closing && p->owner == owner) end(p);
  enetjs_mutex_unlock(&lock);
}
