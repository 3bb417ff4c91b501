/*
 * Shared ports: several sockets on one port, which outlive the workers that use them. The kernel chooses the
 * socket of a client by a hash that is scaled to the number of sockets. So these are all opened at once, and
 * stay until the port is closed: when a worker comes or goes, the clients of the others keep their sockets.
 *
 * Each port has a thread. It hands a free socket to each worker that asks (wire/lease.h), and notices when a
 * worker has ended. A port is closed when the thread that opened it exits.
 *
 * Invariant: a worker keeps its socket when the port closes, because it has a descriptor of its own for it.
 *
 * Any thread may call the exported functions. They take the lock of the table, see base/threaded.h.
 */
#include <string.h>

#include "base/number.h"
#include "base/random.h"
#include "base/threaded.h"
#include "enetjs.h"
#include "host/internal.h"
#include "host/local.h"
#include "wire/lease.h"
#include "wire/socket.h"

#define PORT_LIMIT 64
#define OTHERS 2        /* descriptors of the thread that are no lease: the waker and the listener */
#define RECOVERY_MS 100 /* how long the thread does not accept after descriptors have run out */

struct shared_port {
  struct enetjs_threaded threaded;
  unsigned count; /* of sockets */
  enetjs_fd sockets[ENETJS_MAXIMUM_WORKERS];
  enetjs_fd leases[ENETJS_MAXIMUM_WORKERS]; /* the connection of a socket's worker, or ENETJS_FD_NONE */
  enetjs_fd listener;
};

static void serve_until_closed(void *object);
static void release(void *object);

static struct shared_port ports[PORT_LIMIT];
static struct enetjs_threaded_table table = {.objects = ports,
                                             .object_bytes = sizeof(struct shared_port),
                                             .limit = PORT_LIMIT,
                                             .run = serve_until_closed,
                                             .release = release,
                                             .lock = ENETJS_MUTEX_INIT};

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
 * Serves the worker that has come first, if one has. Any user may connect, as often as it likes: such a
 * connection takes no lock, and between two of them the thread sees whether the port is closed.
 * @returns false when descriptors have run out
 */
static bool serve(struct shared_port *p) {
  bool retry;
  enetjs_fd connection = enetjs_lease_accept(p->listener, &retry);
  if (connection == ENETJS_FD_NONE)
    return retry || enetjs_socket_error_code(enetjs_socket_error()) != ENETJS_ERR_LIMIT;
  enetjs_mutex_lock(&table.lock);
  free_ended(p);
  grant(p, connection);
  enetjs_mutex_unlock(&table.lock);
  return true;
}

/* Fills in what poll() looks at. @returns the number of descriptors, or 0 when the port is closed */
static unsigned plan(const struct shared_port *p, bool listens, enetjs_pollfd *fds) {
  unsigned count = OTHERS;
  memset(fds, 0, (OTHERS + ENETJS_MAXIMUM_WORKERS) * sizeof(*fds));
  enetjs_mutex_lock(&table.lock);
  fds[0].fd = p->threaded.waker.read;
  fds[0].events = POLLIN;
  fds[1].fd = p->listener;
  fds[1].events = listens ? POLLIN : 0;
  for (unsigned i = 0; i < p->count; i++) {
    if (p->leases[i] == ENETJS_FD_NONE) continue;
    fds[count].fd = p->leases[i];
    fds[count++].events = POLLIN;
  }
  if (p->threaded.closing) count = 0;
  enetjs_mutex_unlock(&table.lock);
  return count;
}

static bool any_ready(const enetjs_pollfd *fds, unsigned count) {
  unsigned i = 0;
  while (i < count && fds[i].revents == 0) i++;
  return i < count;
}

static void serve_until_closed(void *object) {
  struct shared_port *p = object;
  enetjs_pollfd fds[OTHERS + ENETJS_MAXIMUM_WORKERS];
  bool listens = true;
  for (unsigned count; (count = plan(p, listens, fds)) > 0;) {
    enetjs_poll(fds, count, listens ? -1 : RECOVERY_MS);
    if (fds[0].revents) enetjs_waker_clear(&p->threaded.waker);
    if (any_ready(fds + OTHERS, count - OTHERS)) {
      enetjs_mutex_lock(&table.lock);
      free_ended(p);
      enetjs_mutex_unlock(&table.lock);
    }
    listens = serve(p);
  }
}

/* ---- Life -------------------------------------------------------------------------------------- */

static void release(void *object) {
  struct shared_port *p = object;
  enetjs_fd_close(p->listener);
  for (unsigned i = 0; i < p->count; i++) {
    enetjs_fd_close(p->sockets[i]);
    if (p->leases[i] != ENETJS_FD_NONE) enetjs_fd_close(p->leases[i]);
  }
  p->count = 0;
}

/* The first socket gets a free port, the others join it. @returns 0, or an error code */
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

static void tell(const struct shared_port *p, const uint32_t *name, double *out) {
  struct enetjs_local local = {0};
  (void)enetjs_socket_local(p->sockets[0], &local);
  for (unsigned i = 0; i < ENETJS_PORT_NAME_WORDS; i++) out[ENETJS_PORT_NAME + i] = name[i];
  for (unsigned i = 0; i < ENETJS_ENDPOINT_WORDS; i++)
    out[ENETJS_PORT_WORDS + i] = enetjs_endpoint_word(&local.address, i);
  out[ENETJS_PORT_WORDS + ENETJS_ENDPOINT_WORDS] = local.address.scope;
  out[ENETJS_PORT_ADDRESS] = enetjs_local_number(&local.address, local.ipv6);
}

/* What a port is opened with, and what is told of it. */
struct opening {
  const double *config;
  unsigned sockets;
  double told[ENETJS_PORT_COUNT];
};

static int start(void *object, void *context) {
  struct shared_port *p = object;
  struct opening *opening = context;
  uint32_t name[ENETJS_PORT_NAME_WORDS];
  int error;
  enetjs_random(name, sizeof(name));
  for (unsigned i = 0; i < opening->sockets; i++) p->leases[i] = ENETJS_FD_NONE;
  error = enetjs_lease_listen(name, &p->listener);
  if (error < 0) return error;
  error = open_sockets(p, opening->config, opening->sockets);
  if (error < 0)
    release(p);
  else
    tell(p, name, opening->told);
  return error;
}

double enetjs_port_open(const uint8_t *config, double configBytes, double sockets, uint8_t *out,
                        double outBytes) {
  double c[ENETJS_CONFIG_COUNT], result;
  struct opening opening = {.config = c};
  if (!config || !out || configBytes != sizeof(c) || outBytes != sizeof(opening.told) ||
      !enetjs_is_integer(sockets, 1, ENETJS_MAXIMUM_WORKERS))
    return ENETJS_ERR_ARGUMENT;
  memcpy(c, config, sizeof(c));
  if (!enetjs_local_valid(c) || c[ENETJS_CONFIG_ADDRESS] < 0) return ENETJS_ERR_ARGUMENT;
  result = enetjs_sharing_supported();
  if (result == 0) result = enetjs_host_initialize();
  if (result < 0) return result;
  opening.sockets = (unsigned)sockets;
  result = enetjs_threaded_open(&table, start, &opening);
  if (result >= 0) memcpy(out, opening.told, sizeof(opening.told));
  return result;
}

double enetjs_port_workers(double port) {
  double workers = 0;
  enetjs_mutex_lock(&table.lock);
  struct shared_port *p = enetjs_threaded_find(&table, port);
  if (p) free_ended(p);
  for (unsigned i = 0; p && i < p->count; i++) workers += p->leases[i] != ENETJS_FD_NONE;
  enetjs_mutex_unlock(&table.lock);
  return p ? workers : ENETJS_ERR_CLOSED;
}

double enetjs_port_close(double port) { return enetjs_threaded_close(&table, port); }
