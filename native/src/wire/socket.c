/*
 * ENet's two socket functions, on Linux; unbatched.c stands in for this file elsewhere. libenetjs defines
 * them itself. Loaded as the dependency of libenetjs, libenet calls these instead of its own, by the ordinary
 * lookup of symbols. So what ENet sends and receives one datagram at a time goes to the system many at a
 * time: batch_out.c is the way out, batch_in.c the way in.
 *
 * libenet's calls do not arrive here if the process loaded libenet before libenetjs, or a libenet that was
 * linked so that it keeps its calls to itself. No other file has to know that. Datagrams are batched when
 * calls arrive here, and the first such call also sets the socket's option.
 *
 * Only calls between enetjs_batch_begin and _end, on that thread and for that host's socket, are batched. All
 * other calls in the process are passed on to libenet's own functions.
 *
 * With a simulated network (conditions.h), each datagram passes through it alone: an outgoing one before it
 * is gathered, an incoming one after it was taken out of its message.
 *
 * With the security stage (security/security.h), what ENet sends to a session is sealed before the simulated
 * network, and what comes is opened after it.
 *
 * Where there is an address map (addresses.h), the socket is one of IPv6, and ENet's addresses end here: what
 * is gathered, or passes the simulated network, has its real endpoint.
 *
 * Captures (capture.h) get copies at one of two places: beside the socket, or above the security stage.
 *
 * Invariant: gathered datagrams leave before ENet reads, when there is no more room, and at the end of the
 * section. None outlives the section.
 */
#include "wire/socket.h"

#include "base/pool.h"
#include "wire/addresses.h"
#include "wire/guard.h"

#if defined(__linux__)

#include <dlfcn.h>
#include <enet/time.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/threads.h"
#include "enetjs.h"
#include "wire/batch_in.h"
#include "wire/batch_out.h"
#include "wire/capture.h"
#include "wire/conditions.h"
#include "wire/open.h"
#include "wire/security/security.h"

#define CAPTURES 4   /* of a host at a time */
#define ENTERING 256 /* datagrams that may enter the simulated network before ENet gets its turn */

struct enetjs_batch {
  ENetHost *enet;
  struct enetjs_addresses *addresses;   /* or NULL: the socket is one of IPv4 */
  struct enetjs_guard *guard;           /* or NULL */
  struct enetjs_conditions *conditions; /* or NULL */
  struct enetjs_security *security;     /* or NULL */
  unsigned captured;                    /* how many captures there are */
  struct enetjs_capture *captures[CAPTURES];
  uint64_t *errors;
  void (*on_sent)(void *owner, const ENetAddress *to, int length);
  void (*on_read)(void *owner, bool done);
  void *owner;
  unsigned depth;         /* of nested sections */
  struct enetjs_out *out; /* or NULL before the first datagram leaves */
  struct enetjs_in *in;   /* or NULL before the first one is asked for */
  bool stopped;           /* ENet reads no more in this section */
  bool probe, probe_sent, probe_received;
};

static ENETJS_THREAD_LOCAL struct enetjs_batch *current;

/* ---- libenet's own functions ----------------------------------------------------------------- */

typedef int (*send_function)(ENetSocket, const ENetAddress *, const ENetBuffer *, size_t);
typedef int (*receive_function)(ENetSocket, ENetAddress *, ENetBuffer *, size_t);

static struct {
  send_function send;
  receive_function receive;
} libenet;
static enetjs_once libenet_once = ENETJS_ONCE_INIT;

static int cannot_send(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers,
                       size_t count) {
  (void)socket, (void)address, (void)buffers, (void)count;
  errno = ENOSYS;
  return -1;
}

static int cannot_receive(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers, size_t count) {
  (void)socket, (void)address, (void)buffers, (void)count;
  errno = ENOSYS;
  return -1;
}

/* Looks in libenet itself, because any other lookup could find the functions of this file. */
static void find_libenet(void) {
  Dl_info info;
  void *handle = NULL;
  if (dladdr((void *)enet_linked_version, &info) != 0)
    handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  libenet.send = handle ? (send_function)dlsym(handle, "enet_socket_send") : NULL;
  libenet.receive = handle ? (receive_function)dlsym(handle, "enet_socket_receive") : NULL;
  if (!libenet.send || libenet.send == enet_socket_send) libenet.send = cannot_send;
  if (!libenet.receive || libenet.receive == enet_socket_receive) libenet.receive = cannot_receive;
}

static int send_plain(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers,
                      size_t count) {
  enetjs_once_run(&libenet_once, find_libenet);
  return libenet.send(socket, address, buffers, count);
}

static int receive_plain(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers, size_t count) {
  enetjs_once_run(&libenet_once, find_libenet);
  return libenet.receive(socket, address, buffers, count);
}

/* ---- Captures -------------------------------------------------------------------------------- */

static void copy_to_captures(const struct enetjs_batch *batch, bool plain, bool received,
                             const struct enetjs_endpoint *remote, const ENetBuffer *buffers, size_t count) {
  for (unsigned i = 0; i < batch->captured; i++)
    if (enetjs_capture_is_plain(batch->captures[i]) == plain)
      enetjs_capture_take(batch->captures[i], received, remote, buffers, count);
}

/* For captures of what is on the network. */
static void capture_wire(const struct enetjs_batch *batch, bool received,
                         const struct enetjs_endpoint *remote, const ENetBuffer *buffers, size_t count) {
  if (batch->captured > 0) copy_to_captures(batch, false, received, remote, buffers, count);
}

/* For captures before encryption. @param remote may be a session */
static void capture_plain(const struct enetjs_batch *batch, bool received,
                          const struct enetjs_endpoint *remote, const ENetBuffer *buffers, size_t count) {
  struct enetjs_endpoint real;
  if (batch->captured == 0) return;
  real = *remote;
  if (batch->security) real = enetjs_security_real(batch->security, remote);
  copy_to_captures(batch, true, received, &real, buffers, count);
}

static void capture_received(const struct enetjs_batch *batch, bool plain,
                             const struct enetjs_endpoint *from, const ENetBuffer *buffer, int length) {
  ENetBuffer datagram;
  if (batch->captured == 0 || length <= 0) return;
  datagram.data = buffer->data;
  datagram.dataLength = (size_t)length;
  if (plain)
    capture_plain(batch, true, from, &datagram, 1);
  else
    capture_wire(batch, true, from, &datagram, 1);
}

/* ---- The way out ----------------------------------------------------------------------------- */

static int collect(struct enetjs_batch *batch, const struct enetjs_endpoint *to, const ENetBuffer *buffers,
                   size_t count) {
  bool ipv6 = batch->addresses != NULL;
  size_t length = 0;
  for (size_t i = 0; i < count; i++) length += buffers[i].dataLength;
  capture_wire(batch, false, to, buffers, count);
  if (!batch->out) batch->out = enetjs_out_create(batch->enet, ipv6, batch->errors);
  if (!batch->out || !enetjs_out_takes(length)) {
    enetjs_out_send(batch->out);
    return enetjs_out_one(batch->enet, ipv6, to, buffers, count);
  }
  enetjs_out_add(batch->out, to, buffers, count, length);
  return (int)length;
}

/* ---- The simulated network ------------------------------------------------------------------- */

static int enter(struct enetjs_batch *batch, const struct enetjs_endpoint *to, const ENetBuffer *buffers,
                 size_t count) {
  size_t length = 0;
  for (size_t i = 0; i < count; i++) length += buffers[i].dataLength;
  enetjs_conditions_enter(batch->conditions, ENETJS_SENT, to, buffers, count, enetjs_clock_us());
  return (int)length;
}

static void collect_due(struct enetjs_batch *batch) {
  const struct enetjs_passed *passed;
  uint64_t now_us = enetjs_clock_us();
  while ((passed = enetjs_conditions_due(batch->conditions, ENETJS_SENT, now_us)) != NULL) {
    ENetBuffer buffer;
    buffer.data = passed->bytes;
    buffer.dataLength = passed->length;
    if (collect(batch, &passed->address, &buffer, 1) < 0) ++*batch->errors;
    enetjs_conditions_release(batch->conditions, ENETJS_SENT);
  }
}

static void send_gathered(struct enetjs_batch *batch) {
  if (batch->conditions) collect_due(batch);
  enetjs_out_send(batch->out);
}

/* The next datagram that the socket has. @returns its length, 0 or -1 */
static int fetch(struct enetjs_batch *batch, struct enetjs_endpoint *from, ENetBuffer *buffer) {
  int length = enetjs_in_next(batch->in, from, buffer);
  capture_received(batch, false, from, buffer, length);
  return length;
}

static int take_due(struct enetjs_batch *batch, struct enetjs_endpoint *from, ENetBuffer *buffer,
                    uint64_t now_us) {
  const struct enetjs_passed *passed = enetjs_conditions_due(batch->conditions, ENETJS_RECEIVED, now_us);
  int length;
  if (!passed) return 0;
  length = (int)passed->length; /* ENet's buffer has not become smaller since it was read into it */
  memcpy(buffer->data, passed->bytes, passed->length);
  *from = passed->address;
  enetjs_conditions_release(batch->conditions, ENETJS_RECEIVED);
  return length;
}

/* Lets datagrams enter the simulated network until one is due. @returns its length, 0 when none is, or −1 */
static int receive_due(struct enetjs_batch *batch, struct enetjs_endpoint *from, ENetBuffer *buffer) {
  uint64_t now_us = enetjs_clock_us();
  for (unsigned entered = 0; entered < ENTERING; entered++) {
    ENetBuffer datagram;
    int length = take_due(batch, from, buffer, now_us);
    if (length > 0) return length;
    length = fetch(batch, from, buffer);
    if (length == 0 && enetjs_in_unread(batch->in)) continue; /* the round is over, and another begins */
    if (length <= 0) return length;
    datagram.data = buffer->data;
    datagram.dataLength = (size_t)length;
    enetjs_conditions_enter(batch->conditions, ENETJS_RECEIVED, from, &datagram, 1, now_us);
  }
  return 0;
}

/* Hands a datagram with its real endpoint on. @returns its length, or a result of sendmsg */
static int pass_on(struct enetjs_batch *batch, const struct enetjs_endpoint *to, const ENetBuffer *buffers,
                   size_t count) {
  return batch->conditions ? enter(batch, to, buffers, count) : collect(batch, to, buffers, count);
}

/* ---- The security stage ---------------------------------------------------------------------- */

/* @returns the length of what leaves, which is 0 when nothing does */
static int seal(struct enetjs_batch *batch, struct enetjs_endpoint *to, const ENetBuffer *buffers,
                size_t count) {
  enetjs_sealed_room sealed;
  ENetBuffer buffer;
  buffer.data = sealed;
  buffer.dataLength = enetjs_security_leave(batch->security, to, buffers, count, sealed);
  if (buffer.dataLength > 0) return pass_on(batch, to, &buffer, 1);
  batch->enet->totalSentPackets--; /* which ENet is about to count */
  return 0;
}

/* The next datagram below the security stage. */
static int receive_real(struct enetjs_batch *batch, struct enetjs_endpoint *from, ENetBuffer *buffer) {
  return batch->conditions ? receive_due(batch, from, buffer) : fetch(batch, from, buffer);
}

static int receive_opened(struct enetjs_batch *batch, struct enetjs_endpoint *from, ENetBuffer *buffer) {
  enetjs_sealed_room room;
  ENetBuffer sealed;
  sealed.data = room;
  sealed.dataLength = sizeof(room);
  for (;;) {
    int length = receive_real(batch, from, &sealed), opened;
    if (length <= 0) return length;
    opened = enetjs_security_arrive(batch->security, from, room, (size_t)length, buffer);
    if (opened > 0) return opened;
    if (opened != ENETJS_SECURITY_PLAIN) continue;
    if ((size_t)length <= buffer->dataLength) {
      memcpy(buffer->data, room, (size_t)length);
      return length;
    }
    ++*batch->errors;
  }
}

/* ---- ENet's two functions -------------------------------------------------------------------- */

ENETJS_API int enet_socket_send(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers,
                                size_t bufferCount) {
  struct enetjs_batch *batch = current;
  struct enetjs_endpoint to;
  int length;
  if (!batch || !address || batch->enet->socket != socket)
    return send_plain(socket, address, buffers, bufferCount);
  if (batch->probe) {
    batch->probe_sent = true;
    return 0;
  }
  if (batch->guard && enetjs_guard_swallows(batch->guard, address, buffers)) {
    batch->enet->totalSentPackets--; /* which ENet is about to count */
    return 0;
  }
  to = enetjs_addresses_real(batch->addresses, address);
  capture_plain(batch, false, &to, buffers, bufferCount);
  if (batch->security && enetjs_endpoint_is_session(&to))
    length = seal(batch, &to, buffers, bufferCount);
  else
    length = pass_on(batch, &to, buffers, bufferCount);
  batch->on_sent(batch->owner, address, length);
  return length;
}

ENETJS_API int enet_socket_receive(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers,
                                   size_t bufferCount) {
  struct enetjs_batch *batch = current;
  struct enetjs_endpoint from;
  size_t passed;
  int length;
  if (!batch || bufferCount != 1 || batch->enet->socket != socket)
    return receive_plain(socket, address, buffers, bufferCount);
  if (batch->probe) {
    batch->probe_received = true;
    return 0;
  }
  enetjs_pool_charge(NULL); /* ENet is done with the datagram before */
  batch->on_read(batch->owner, false);
  /* While ENet reads datagrams that were fetched before, its answers gather. */
  if (!enetjs_in_goes_on(batch->in)) send_gathered(batch);
  if (batch->stopped) {
    batch->on_read(batch->owner, true);
    return 0;
  }
  passed = batch->guard ? enetjs_guard_take(batch->guard, address, buffers) : 0;
  if (passed > 0) return (int)passed;
  if (!batch->in) batch->in = enetjs_in_create(batch->enet, batch->errors);
  if (!batch->in) /* without memory: only what needs neither a number of an address nor to be opened */
    return batch->addresses || batch->security ? 0 : receive_plain(socket, address, buffers, bufferCount);
  length = batch->security ? receive_opened(batch, &from, buffers) : receive_real(batch, &from, buffers);
  if (length == 0) batch->on_read(batch->owner, true);
  capture_received(batch, true, &from, buffers, length);
  if (length > 0 && address) *address = enetjs_addresses_arrive(batch->addresses, &from);
  return length;
}

/* ---- For the host ---------------------------------------------------------------------------- */

int enetjs_batch_send(struct enetjs_batch *batch, const struct enetjs_endpoint *to,
                      const ENetBuffer *buffer) {
  int length;
  capture_plain(batch, false, to, buffer, 1);
  if (!batch->conditions) {
    capture_wire(batch, false, to, buffer, 1);
    return enetjs_out_one(batch->enet, batch->addresses != NULL, to, buffer, 1);
  }
  enetjs_batch_begin(batch);
  length = enter(batch, to, buffer, 1);
  enetjs_batch_end(batch);
  return length;
}

struct enetjs_batch *enetjs_batch_create(const struct enetjs_batch_parts *parts) {
  struct enetjs_batch *batch = calloc(1, sizeof(*batch));
  if (!batch) return NULL;
  batch->enet = parts->enet;
  batch->addresses = parts->addresses;
  batch->guard = parts->guard;
  batch->errors = parts->errors;
  batch->on_sent = parts->on_sent;
  batch->on_read = parts->on_read;
  batch->owner = parts->owner;
  return batch;
}

void enetjs_batch_set_security(struct enetjs_batch *batch, struct enetjs_security *security) {
  batch->security = security;
}

bool enetjs_batch_add_capture(struct enetjs_batch *batch, struct enetjs_capture *capture) {
  if (batch->captured == CAPTURES) return false;
  batch->captures[batch->captured++] = capture;
  return true;
}

bool enetjs_batch_end_capture(struct enetjs_batch *batch, struct enetjs_capture *capture) {
  for (unsigned i = 0; i < batch->captured; i++) {
    if (batch->captures[i] != capture) continue;
    batch->captures[i] = batch->captures[--batch->captured];
    enetjs_capture_end(capture);
    return true;
  }
  return false;
}

void enetjs_batch_put(struct enetjs_batch *batch, const struct enetjs_endpoint *to, const uint8_t *bytes,
                      size_t length) {
  ENetBuffer buffer;
  int sent;
  buffer.data = (void *)(uintptr_t)bytes;
  buffer.dataLength = length;
  sent = pass_on(batch, to, &buffer, 1);
  if (sent <= 0) return;
  batch->enet->totalSentData += (enet_uint32)sent;
  batch->enet->totalSentPackets++;
}

void enetjs_batch_set_conditions(struct enetjs_batch *batch, struct enetjs_conditions *conditions) {
  enetjs_conditions_destroy(batch->conditions);
  batch->conditions = conditions;
}

struct enetjs_conditions *enetjs_batch_conditions(const struct enetjs_batch *batch) {
  return batch ? batch->conditions : NULL;
}

int enetjs_batch_wait(const struct enetjs_batch *batch) {
  return batch && batch->conditions ? enetjs_conditions_wait(batch->conditions, enetjs_clock_us()) : -1;
}

void enetjs_batch_begin(struct enetjs_batch *batch) {
  if (!batch || batch->depth++ > 0) return;
  if (batch->guard) enetjs_guard_begin(batch->guard);
  enetjs_out_begin(batch->out);
  enetjs_in_begin(batch->in);
  batch->stopped = false;
  current = batch;
}

void enetjs_batch_end(struct enetjs_batch *batch) {
  if (!batch) return;
  send_gathered(batch);
  if (--batch->depth > 0) return;
  current = NULL;
  if (batch->conditions && enetjs_conditions_over(batch->conditions))
    enetjs_batch_set_conditions(batch, NULL);
}

static bool has_due(const struct enetjs_batch *batch) {
  return batch->conditions && enetjs_conditions_due(batch->conditions, ENETJS_RECEIVED, enetjs_clock_us());
}

bool enetjs_batch_prefetched(const struct enetjs_batch *batch) {
  return batch && (enetjs_in_prefetched(batch->in) || has_due(batch));
}

void enetjs_batch_stop(struct enetjs_batch *batch) {
  if (batch) batch->stopped = true;
}

bool enetjs_batch_unread(const struct enetjs_batch *batch) {
  return batch && (batch->stopped || enetjs_in_unread(batch->in));
}

unsigned enetjs_batch_take_source_changes(struct enetjs_batch *batch) {
  return batch ? enetjs_in_take_source_changes(batch->in) : 0;
}

void enetjs_batch_destroy(struct enetjs_batch *batch) {
  if (!batch) return;
  while (batch->captured > 0) enetjs_capture_end(batch->captures[--batch->captured]);
  enetjs_conditions_destroy(batch->conditions);
  enetjs_out_destroy(batch->out);
  enetjs_in_destroy(batch->in);
  free(batch);
}

/* ---- Which path it is ------------------------------------------------------------------------ */

/* A host connects to itself. If its calls arrive here, no datagram leaves it. */
static bool probe(ENetHost *enet) {
  struct enetjs_batch batch = {0};
  ENetAddress address = enet->address;
  batch.enet = enet;
  batch.probe = true;
  if (!enet_host_connect(enet, &address, 1, 0)) return false;
  current = &batch;
  enet_host_service(enet, NULL, 0);
  current = NULL;
  return batch.probe_sent && batch.probe_received;
}

int enetjs_batch_arrives(void) {
  static atomic_int known = -1;
  struct enetjs_local local = {0};
  ENetHost *enet;
  enetjs_fd socket;
  int result = atomic_load(&known);
  if (result >= 0) return result;
  local.bound = true;
  local.address = enetjs_endpoint_of_ipv4(INADDR_LOOPBACK, 0);
  result = enetjs_socket_open(&local, &socket);
  if (result < 0) return result;
  enet = enetjs_enet_open(socket, 1, 1, 0, 0, &result);
  if (!enet) return result;
  result = probe(enet);
  enet_host_destroy(enet);
  atomic_store(&known, result);
  return result;
}

#endif
